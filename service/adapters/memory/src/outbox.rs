//! The outbox of the memory: pending events alone. A dead letter leaves it for good, since nobody could redrive it after
//! the process has ended.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use user_application::{Backlog, Epoch, Outbox, OutboxError, OutboxRecord, RelayId};
use user_domain::{EventId, UserId};

use crate::MemoryStorage;

impl Outbox for MemoryStorage {
    const DURABLE: bool = false;

    /// Within one process a lease need not end by itself.
    async fn claim(&self, holder: RelayId, _lease: Duration) -> Result<Option<Epoch>, OutboxError> {
        let mut state = self.state();
        match state.holder {
            Some(present) if present != holder => return Ok(None),
            Some(_) => {}
            None => {
                state.holder = Some(holder);
                state.epoch = Some(Epoch(state.epoch.map_or(1, |epoch| epoch.0 + 1)));
            }
        }
        Ok(state.epoch)
    }

    async fn release(&self, holder: RelayId) -> Result<(), OutboxError> {
        let mut state = self.state();
        if state.holder == Some(holder) {
            state.holder = None;
        }
        Ok(())
    }

    async fn added(&self) {
        self.shared.event_added.notified().await;
    }

    async fn pending(
        &self,
        limit: NonZeroUsize,
        except: &[UserId],
    ) -> Result<Vec<OutboxRecord>, OutboxError> {
        let except: HashSet<&UserId> = except.iter().collect();
        Ok(self
            .state()
            .outbox
            .iter()
            .filter(|record| !except.contains(&record.event.user_id()))
            .take(limit.get())
            .cloned()
            .collect())
    }

    async fn acknowledge(&self, published: &[EventId]) -> Result<(), OutboxError> {
        let mut done: HashSet<&EventId> = published.iter().collect();
        let mut state = self.state();
        // A relay acknowledges from the front, so the rest of the queue is usually not looked at.
        while state
            .outbox
            .front()
            .is_some_and(|record| done.remove(&record.event.id()))
        {
            state.outbox.pop_front();
        }
        if !done.is_empty() {
            state
                .outbox
                .retain(|record| !done.contains(&record.event.id()));
        }
        Ok(())
    }

    async fn count_attempt(&self, event: EventId, epoch: Epoch) -> Result<(), OutboxError> {
        let mut state = self.state();
        if state.epoch == Some(epoch)
            && let Some(record) = state
                .outbox
                .iter_mut()
                .find(|record| record.event.id() == event)
        {
            record.attempts = record.attempts.saturating_add(1);
        }
        Ok(())
    }

    async fn bury(
        &self,
        event: EventId,
        epoch: Epoch,
        _reason: &'static str,
    ) -> Result<(), OutboxError> {
        let mut state = self.state();
        if state.epoch == Some(epoch) {
            state.outbox.retain(|record| record.event.id() != event);
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let state = self.state();
        Ok(Backlog {
            pending: u64::try_from(state.outbox.len()).unwrap_or(u64::MAX),
            oldest: state
                .outbox
                .front()
                .map(|record| record.event.occurred_at()),
        })
    }
}
