//! The events of one user on their way out, one after the other.

use std::collections::HashMap;

use user_domain::{EventId, UserId};

use super::{Lease, Relay};
use crate::{
    Epoch, EventPublisher, Outbox, OutboxError, OutboxRecord, PublishError, RelayError,
    RelayObserver, Timer,
};

/// Most events of one user in hand: they go out one after the other, and who has more must not keep others out.
pub(super) const CHAIN: usize = 50;

/// Events of one user in order.
pub(super) struct Chain {
    pub(super) user: UserId,
    pub(super) records: Vec<OutboxRecord>,
}

/// What came of a chain.
pub(super) struct Sent {
    pub(super) user: UserId,
    pub(super) published: Vec<OutboxRecord>,
    pub(super) failed: Option<Failed>,
    /// How many were not tried.
    pub(super) left: usize,
}

/// An event that was not published.
pub(super) struct Failed {
    pub(super) record: OutboxRecord,
    pub(super) error: PublishError,
    /// Whether it is at the dead letters; absent if it is not given up.
    letter: Option<Result<(), PublishError>>,
}

/// The events of each user together, users in the order of their first event.
pub(super) fn by_user(records: Vec<OutboxRecord>) -> Vec<Chain> {
    let mut places = HashMap::with_capacity(records.len());
    let mut chains: Vec<Chain> = Vec::with_capacity(records.len());
    for record in records {
        let user = record.event.user_id();
        let place = *places.entry(user).or_insert(chains.len());
        match chains.get_mut(place) {
            Some(chain) => chain.records.push(record),
            None => chains.push(Chain {
                user,
                records: vec![record],
            }),
        }
    }
    chains
}

impl<O: Outbox, P: EventPublisher, T: Timer, W: RelayObserver> Relay<O, P, T, W> {
    /// Publishes a chain up to the first that fails, or until the lease is too short for the next, or for as long as one
    /// may take; if the failed one is given up, it goes to the dead letters.
    pub(super) async fn send(&self, chain: Chain, lease: &Lease) -> Sent {
        let within = self.policy.publish_within;
        let end = self.timer.now() + within;
        let is_short = |now| lease.left(now) < within;
        let mut sent = Sent {
            user: chain.user,
            published: Vec::with_capacity(chain.records.len()),
            failed: None,
            left: chain.records.len(),
        };
        for record in chain.records {
            let now = self.timer.now();
            if is_short(now) || now >= end {
                break;
            }
            let Err(error) = self.publisher.publish(&record).await else {
                self.observer.acknowledged(&record);
                sent.left -= 1;
                sent.published.push(record);
                continue;
            };
            let letter = if self.gives_up(&record, &error) {
                if is_short(self.timer.now()) {
                    // As if it had not been tried.
                    break;
                }
                Some(self.publisher.publish_dead_letter(&record, &error).await)
            } else {
                None
            };
            sent.left -= 1;
            sent.failed = Some(Failed {
                record,
                error,
                letter,
            });
            break;
        }
        sent
    }

    fn gives_up(&self, record: &OutboxRecord, error: &PublishError) -> bool {
        match error {
            PublishError::Unavailable(_) => false,
            PublishError::Unpublishable(_) => true,
            PublishError::Refused(_) => record.attempts.saturating_add(1) >= self.policy.attempts,
        }
    }

    /// Marks events as published.
    pub(super) async fn acknowledge(&self, done: &[OutboxRecord]) -> Result<(), OutboxError> {
        let ids: Vec<EventId> = done.iter().map(|record| record.event.id()).collect();
        self.outbox.acknowledge(&ids).await?;
        self.observer.published(done);
        Ok(())
    }

    /// Writes down a failure that is the event's own.
    ///
    /// # Errors
    /// Why the event is pending as before, or one attempt nearer to being given up.
    pub(super) async fn judge(
        &self,
        failed: Failed,
        epoch: Epoch,
    ) -> (OutboxRecord, Result<(), RelayError>) {
        let Failed {
            record,
            error,
            letter,
        } = failed;
        let judged = self.write_down(&record, error, letter, epoch).await;
        (record, judged)
    }

    async fn write_down(
        &self,
        record: &OutboxRecord,
        error: PublishError,
        letter: Option<Result<(), PublishError>>,
        epoch: Epoch,
    ) -> Result<(), RelayError> {
        let event = record.event.id();
        let Some(letter) = letter else {
            self.outbox.count_attempt(event, epoch).await?;
            return Err(error.into());
        };
        letter?;
        self.outbox.bury(event, epoch, error.reason()).await?;
        self.observer.buried(record, &error);
        Ok(())
    }
}
