//! How long answers wait for their client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What the transport has of the answers on one connection, since the client has no room for it or does not read. It is
/// counted by spans of time, so that a piece needs no timer of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread(Arc<Spans>);

/// Two that take turns: the one in which pieces are counted that come, and the one before.
#[derive(Debug, Default)]
struct Spans {
    is_odd: AtomicBool,
    even: AtomicUsize,
    odd: AtomicUsize,
}

impl Spans {
    const fn pieces(&self, is_odd: bool) -> &AtomicUsize {
        if is_odd { &self.odd } else { &self.even }
    }
}

/// A piece of an answer that is not written to the socket yet.
#[derive(Debug)]
pub(crate) struct Piece {
    spans: Arc<Spans>,
    is_odd: bool,
}

impl Drop for Piece {
    fn drop(&mut self) {
        let pieces = self.spans.pieces(self.is_odd);
        pieces.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Unread {
    /// One more piece, unread until it is dropped.
    pub(crate) fn piece(&self) -> Piece {
        let spans = Arc::clone(&self.0);
        let is_odd = spans.is_odd.load(Ordering::Relaxed);
        spans.pieces(is_odd).fetch_add(1, Ordering::Relaxed);
        Piece { spans, is_odd }
    }

    /// Waits until a piece has been unread for so long, at most twice.
    pub(crate) async fn stays_for(&self, time: Duration) {
        let spans = &self.0;
        loop {
            tokio::time::sleep(time).await;
            let before = !spans.is_odd.load(Ordering::Relaxed);
            if spans.pieces(before).load(Ordering::Relaxed) > 0 {
                return;
            }
            spans.is_odd.store(before, Ordering::Relaxed);
        }
    }
}
