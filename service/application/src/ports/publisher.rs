//! Where events go.

use crate::OutboxRecord;

/// Tells others what happened.
///
/// `testkit::publisher` holds the rules as tests; every adapter passes them. Calls may be dropped: the event may be out
/// nonetheless, and no other call is harmed.
pub trait EventPublisher: Send + Sync + 'static {
    /// Publishes one event and returns once the other side has it for good. Many calls run side by side, but never two
    /// for the same user. When an error is answered, the event may be out nonetheless.
    ///
    /// # Errors
    /// See [`PublishError`]; bounded in time.
    fn publish(
        &self,
        record: &OutboxRecord,
    ) -> impl Future<Output = Result<(), PublishError>> + Send;

    /// Publishes an event that is given up where those go, with the reason.
    ///
    /// # Errors
    /// As above; the event stays pending then.
    fn publish_dead_letter(
        &self,
        record: &OutboxRecord,
        reason: &PublishError,
    ) -> impl Future<Output = Result<(), PublishError>> + Send;
}

/// Why the publisher did not do it.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The other side did not answer in time or at all, or can take nothing now. Says nothing about the event.
    #[error("the publisher is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The other side refused this very event; another attempt may help.
    #[error("the event was refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// This very event can never be published as it is: too large, or not to be encoded.
    #[error("the event cannot be published")]
    Unpublishable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl PublishError {
    /// Whether it says nothing about the event.
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// A word for each kind, for metrics and for the dead letter.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Refused(_) => "refused",
            Self::Unpublishable(_) => "unpublishable",
        }
    }
}
