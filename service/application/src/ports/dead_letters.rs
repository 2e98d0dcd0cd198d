//! Events that were given up.

use std::num::NonZeroUsize;
use std::time::SystemTime;

use user_domain::{EventId, UserId, Version};

use crate::OutboxError;

/// What an operator does with the events that were given up.
pub trait DeadLetters: Send + Sync + 'static {
    /// The oldest dead letters, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    fn dead_letters(
        &self,
        limit: NonZeroUsize,
    ) -> impl Future<Output = Result<Vec<DeadLetter>, OutboxError>> + Send;

    /// Makes dead letters pending again, with no attempts counted; how many there were. They go out after what was
    /// published since.
    ///
    /// # Errors
    /// `Unavailable`.
    fn redrive(&self, events: Redrive) -> impl Future<Output = Result<u64, OutboxError>> + Send;
}

/// Which dead letters to publish again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redrive {
    /// All of them.
    All,
    /// These; those that are none are passed over.
    These(Vec<EventId>),
}

/// An event that was given up. Holds no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which event.
    pub event: EventId,
    /// Its type, such as `user.created`.
    pub event_type: String,
    /// Whom it happened to.
    pub user: UserId,
    /// The version of the user that it led to.
    pub version: Version,
    /// When it happened.
    pub occurred_at: SystemTime,
    /// Attempts that failed by its own fault.
    pub attempts: u32,
    /// Why it was given up, see [`crate::PublishError::reason`].
    pub reason: String,
}
