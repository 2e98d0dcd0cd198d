//! The lease as its holder sees it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Epoch;

/// How long this relay is the active one, on its own clock and counted from before it asked, so that it ends here first.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) epoch: Epoch,
    until: Mutex<Instant>,
}

impl Lease {
    pub(super) const fn new(epoch: Epoch, until: Instant) -> Self {
        Self {
            epoch,
            until: Mutex::new(until),
        }
    }

    pub(super) fn extend(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    pub(super) fn until(&self) -> Instant {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of it.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.until().saturating_duration_since(now)
    }
}
