//! What is written to, in place of standard output.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and not every test file needs all of it"
)]

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Keeps what is written, save where it is told to fail.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    written: Vec<u8>,
    writes: usize,
    /// Of the next write so many bytes are taken, and the one after it fails.
    tears_after: Option<usize>,
    closed: bool,
}

impl Sink {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().written.clone()).unwrap()
    }

    /// How often something was written.
    pub(crate) fn writes(&self) -> usize {
        self.0.lock().unwrap().writes
    }

    /// Takes so much of the next write, and then fails once.
    pub(crate) fn tear_after(&self, bytes: usize) {
        self.0.lock().unwrap().tears_after = Some(bytes);
    }

    /// While it is closed, every write fails.
    pub(crate) fn set_closed(&self, closed: bool) {
        self.0.lock().unwrap().closed = closed;
    }
}

impl AsyncWrite for Sink {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, Error>> {
        let mut state = self.0.lock().unwrap();
        if state.closed {
            return Poll::Ready(Err(Error::from(ErrorKind::BrokenPipe)));
        }
        let taken = match state.tears_after.take() {
            None => data.len(),
            Some(0) => return Poll::Ready(Err(Error::from(ErrorKind::BrokenPipe))),
            Some(bytes) => {
                state.tears_after = Some(0);
                bytes
            }
        };
        state.written.extend(&data[..taken]);
        state.writes += 1;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}
