//! What failures lead to.

use std::time::{Duration, Instant};

use super::Work;
use crate::relay::Relay;
use crate::{EventPublisher, Outbox, OutboxError, OutboxRecord, RelayError, RelayObserver, Timer};

/// How often in a row nothing gets through until the lease is given up.
const YIELD_AFTER: u32 = 8;

impl<O: Outbox, P: EventPublisher, T: Timer, W: RelayObserver> Work<'_, O, P, T, W> {
    /// With nothing in hand: whether anything got through besides what failed. If not, one pause for all follows instead
    /// of one for each; true if that was so too often.
    pub(super) fn judge_outage(&mut self, now: Instant) -> bool {
        let through = std::mem::take(&mut self.through);
        if through > 0 {
            self.outages = 0;
        }
        let Some(error) = self.outage.take() else {
            return false;
        };
        let error = error.into();
        if through > 0 {
            self.relay.observer.retrying(&error, Duration::ZERO);
            return false;
        }
        self.held.clear();
        // What failed waits in the outbox again, though a look found it empty while it was in hand.
        self.is_free(now);
        // Little time is left after the word to stop.
        let outages = if self.stopping {
            &mut 0
        } else {
            &mut self.outages
        };
        self.resume_at = now + self.relay.failed(&error, outages);
        O::DURABLE && *outages >= YIELD_AFTER
    }

    pub(super) fn outbox_failed(&mut self, error: OutboxError, now: Instant) {
        let failures = if self.stopping {
            &mut 0
        } else {
            &mut self.outbox_failures
        };
        self.resume_at = now + self.relay.failed(&error.into(), failures);
    }

    /// An event that failed by its own fault was written down, or that failed.
    pub(super) fn judged(
        &mut self,
        record: &OutboxRecord,
        judged: Result<(), RelayError>,
        now: Instant,
    ) {
        match judged {
            Ok(()) => self.through += 1,
            Err(error) => {
                let pause = self.hold(record);
                self.relay.observer.retrying(&error, pause);
            }
        }
        self.hand.put_down(record.event.user_id(), 1);
        self.is_free(now);
    }

    /// Passes the user of this event over for a while; for how long.
    pub(super) fn hold(&mut self, record: &OutboxRecord) -> Duration {
        let user = record.event.user_id();
        let failures = self.held.failures(user).saturating_add(1);
        let Relay { timer, policy, .. } = self.relay;
        let pause = timer.jitter(policy.backoff.longest_pause(failures));
        self.held.hold(user, timer.now() + pause);
        pause
    }
}
