//! Events that wait to be published.

use std::num::NonZeroUsize;

use user_domain::{EventId, UserEvent};

/// The stored events that nobody has acknowledged yet, oldest first. Events of one user are in order of their version.
///
/// All methods are safe to drop: an event leaves the outbox only by [`Outbox::acknowledge`].
pub trait Outbox: Send + Sync + 'static {
    /// Returns when there may be pending events; at once if there are.
    ///
    /// # Errors
    /// `Unavailable`.
    fn wait(&self) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// The oldest pending events, at most `limit`, without removing them. Empty when there are none.
    ///
    /// # Errors
    /// `Unavailable`.
    fn pending(
        &self,
        limit: NonZeroUsize,
    ) -> impl Future<Output = Result<Vec<UserEvent>, OutboxError>> + Send;

    /// Removes events that were published. Unknown ones are passed over: a repeated acknowledgement does no harm.
    ///
    /// # Errors
    /// `Unavailable`: they stay pending and will be published once more.
    fn acknowledge(
        &self,
        published: &[EventId],
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;
}

/// Why the outbox did not do it.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The storage did not answer in time or at all; the call may be tried again.
    #[error("the outbox is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
