//! What a relay is told, and what it tells.

use std::time::{Duration, Instant};

use super::Backoff;
use crate::{OutboxError, OutboxRecord, PublishError, RelayId};

/// By what a relay goes.
#[derive(Clone, Copy, Debug)]
pub struct RelayPolicy {
    /// Which relay this is.
    pub holder: RelayId,
    /// How long a relay that is not heard of stays the active one.
    pub lease: Duration,
    /// How long the publisher may take for one event; shorter than the lease. A relay with less left of its lease sends
    /// nothing.
    pub publish_within: Duration,
    /// After how many failures of its own fault an event is given up.
    pub attempts: u32,
    /// How long to pause after failures.
    pub backoff: Backoff,
}

/// Hears what the relay does, for logs and metrics.
pub trait RelayObserver: Send + Sync + 'static {
    /// This relay is the active one until then unless it says so again, or is no more.
    fn leads(&self, until: Option<Instant>);

    /// The publisher has just acknowledged this event; it is out, and not yet marked so.
    fn acknowledged(&self, record: &OutboxRecord);

    /// These events are out, and marked so in the outbox.
    fn published(&self, records: &[OutboxRecord]);

    /// An attempt failed; the next one comes after `pause`.
    fn retrying(&self, error: &RelayError, pause: Duration);

    /// Nothing is wrong and nothing to do: another relay is the active one, or a look found nothing that waits.
    fn rests(&self) {}

    /// An event was given up.
    fn buried(&self, record: &OutboxRecord, error: &PublishError);
}

/// Why an attempt of the relay failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox could not be read or written.
    #[error("relay: {0}")]
    Outbox(#[from] OutboxError),
    /// An event was not published.
    #[error("relay: {0}")]
    Publish(#[from] PublishError),
}
