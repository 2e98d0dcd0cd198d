//! Events that wait to be published.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use user_domain::{EventId, UserEvent, UserId};
use uuid::Uuid;

use crate::TraceContext;

/// The stored events that are neither acknowledged nor given up.
///
/// All methods are safe to drop: a write that has begun is carried through, and an event leaves only by
/// [`Outbox::acknowledge`] or [`Outbox::bury`].
pub trait Outbox: Send + Sync + 'static {
    /// Whether events outlive the process. If not, a relay that is told to stop publishes what is there first.
    const DURABLE: bool;

    /// Takes or renews the lease under which one relay of all is active, for `lease` from now on the storage's clock.
    /// Nothing if another holder has it. Each time it changes hands the epoch grows.
    ///
    /// # Errors
    /// `Unavailable`: it may have been taken.
    fn claim(
        &self,
        holder: RelayId,
        lease: Duration,
    ) -> impl Future<Output = Result<Option<Epoch>, OutboxError>> + Send;

    /// Gives the lease back, so that another relay need not wait for its end; no effect if `holder` has none.
    ///
    /// # Errors
    /// `Unavailable`.
    fn release(&self, holder: RelayId) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// Returns when this process has stored an event since the last time; a hint, others store events unheard.
    fn added(&self) -> impl Future<Output = ()> + Send;

    /// The oldest pending events, at most `limit`, without those of the users in `except`, and without removing them.
    /// Events of one user are in order of their version, and none is left out before one that is there.
    ///
    /// # Errors
    /// `Unavailable`.
    fn pending(
        &self,
        limit: NonZeroUsize,
        except: &[UserId],
    ) -> impl Future<Output = Result<Vec<OutboxRecord>, OutboxError>> + Send;

    /// Marks events as published. Unknown ones are passed over: a repeated acknowledgement does no harm, nor does one
    /// by a relay that lost its lease, since what it says is true for ever.
    ///
    /// # Errors
    /// `Unavailable`: they may stay pending and be published once more.
    fn acknowledge(
        &self,
        published: &[EventId],
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// Counts a failed attempt that was the event's own fault. No effect in an epoch that is over.
    ///
    /// # Errors
    /// `Unavailable`.
    fn count_attempt(
        &self,
        event: EventId,
        epoch: Epoch,
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// Gives an event up: it is pending no more and kept as a dead letter, with the reason. No effect in an epoch that
    /// is over.
    ///
    /// # Errors
    /// `Unavailable`.
    fn bury(
        &self,
        event: EventId,
        epoch: Epoch,
        reason: &'static str,
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// How much waits.
    ///
    /// # Errors
    /// `Unavailable`.
    fn backlog(&self) -> impl Future<Output = Result<Backlog, OutboxError>> + Send;
}

/// A stored event with what its way out needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRecord {
    /// What happened.
    pub event: UserEvent,
    /// The trace of the request that led to it.
    pub trace: Option<TraceContext>,
    /// Failed attempts so far that were the event's own fault.
    pub attempts: u32,
}

/// Which relay; a new one for each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId(pub Uuid);

/// How often the lease has changed hands; fences off writes of a holder that was overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

/// How much waits to be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many events; a storage may stop counting at some number, from which on it says that number.
    pub pending: u64,
    /// When the oldest of them happened.
    pub oldest: Option<SystemTime>,
}

/// Why the outbox did not do it.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The storage did not answer in time or at all; the call may be tried again.
    #[error("the outbox is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
