//! Data that holds on to something while it is on its way.

use bytes::Buf;

/// Data with what it keeps until the transport has written all of it to the socket, or has dropped it with its stream or
/// its connection. The body that it came from is gone long before: the transport takes whole messages ahead of what the
/// client has room for.
#[derive(Debug)]
pub struct Held<D, K> {
    data: D,
    _kept: K,
}

impl<D, K> Held<D, K> {
    /// Keeps `kept` as long as there is `data`.
    pub const fn new(data: D, kept: K) -> Self {
        Self { data, _kept: kept }
    }
}

impl<D: Buf, K> Buf for Held<D, K> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}
