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

    /// Makes dead letters pending again, with no attempts counted. They go out after what was published since.
    ///
    /// Who is purged by now is not to be published again: of such a user only the deletion is, which holds nothing
    /// personal and which consumers may still wait for.
    ///
    /// # Errors
    /// `Unavailable`. Some of them may be pending by then.
    fn redrive(
        &self,
        letters: Chosen,
        now: SystemTime,
    ) -> impl Future<Output = Result<Redriven, OutboxError>> + Send;

    /// Removes dead letters for good, with the personal data in them; how many there were.
    ///
    /// # Errors
    /// `Unavailable`.
    fn discard(&self, letters: Chosen) -> impl Future<Output = Result<u64, OutboxError>> + Send;
}

/// Which dead letters are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// All of them.
    All,
    /// These; those that are none are passed over.
    These(Vec<EventId>),
}

/// What came of a redrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// How many are pending again.
    pub pending: u64,
    /// Those that stayed dead letters because their user was purged, oldest first.
    pub purged: Vec<EventId>,
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
