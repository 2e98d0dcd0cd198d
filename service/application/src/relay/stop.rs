//! The word to stop.

use std::pin::Pin;

use futures::FutureExt as _;
use futures::future::{self, Either};

/// The word to stop, which may have come already.
pub(super) struct Stop<'a, F> {
    word: Pin<&'a mut F>,
    come: bool,
}

impl<'a, F: Future<Output = ()> + Send> Stop<'a, F> {
    pub(super) const fn new(word: Pin<&'a mut F>) -> Self {
        Self { word, come: false }
    }

    pub(super) fn has_come(&mut self) -> bool {
        self.come = self.come || (&mut self.word).now_or_never().is_some();
        self.come
    }

    /// What `other` gives; nothing if the word to stop comes first. Once it has come, `other` is waited for.
    pub(super) async fn or<T>(&mut self, other: impl Future<Output = T>) -> Option<T> {
        if self.come {
            return Some(other.await);
        }
        let other = std::pin::pin!(other);
        match future::select(self.word.as_mut(), other).await {
            Either::Left(_) => {
                self.come = true;
                None
            }
            Either::Right((value, _)) => Some(value),
        }
    }
}
