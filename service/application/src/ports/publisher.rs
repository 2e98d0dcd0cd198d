//! Where events go.

use user_domain::UserEvent;

/// Tells others what happened.
pub trait EventPublisher: Send + Sync + 'static {
    /// Publishes events in the order given and returns once the other side has them.
    ///
    /// # Errors
    /// How many from the front are out nonetheless, and why the next one is not.
    fn publish(
        &self,
        events: &[UserEvent],
    ) -> impl Future<Output = Result<(), PublishFailure>> + Send;
}

/// A batch that was published in part or not at all.
#[derive(Debug, thiserror::Error)]
#[error("an event was not published")]
pub struct PublishFailure {
    /// How many events from the front of the batch are out.
    pub published: usize,
    /// Why the next one is not.
    #[source]
    pub error: PublishError,
}

/// Why the publisher did not do it.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The other side did not answer in time or at all; the event may be tried again.
    #[error("the publisher is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The event cannot be written in the form the other side wants: a defect of the adapter.
    #[error("the event cannot be encoded")]
    Encoding(#[source] Box<dyn std::error::Error + Send + Sync>),
}
