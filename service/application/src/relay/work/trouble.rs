//! What failures lead to.

use std::time::{Duration, Instant};

use super::Work;
use crate::relay::Relay;
use crate::{
    EventPublisher, Outbox, OutboxError, OutboxRecord, PublishError, RelayError, RelayObserver,
    Timer,
};

/// How often in a row nothing gets through until the lease is given up.
const YIELD_AFTER: u32 = 8;
/// And at the latest, however many users are still to be tried.
const YIELD_AT_LAST: u32 = 4 * YIELD_AFTER;

/// Something failed and it was not the event's fault.
pub(super) struct Outage {
    pub(super) error: PublishError,
    /// When the first failed, of those that one verdict is about.
    since: Instant,
}

impl<O: Outbox, P: EventPublisher, T: Timer, W: RelayObserver> Work<'_, O, P, T, W> {
    pub(super) fn unavailable(&mut self, error: PublishError) {
        let now = self.relay.timer.now();
        let since = self.outage.as_ref().map_or(now, |outage| outage.since);
        self.outage = Some(Outage { error, since });
    }

    /// Whether there was an outage and nothing gets through besides.
    pub(super) const fn is_suspect(&self) -> bool {
        self.outage.is_some() && self.through == 0
    }

    /// With nothing in hand, or after as long as one event may take: whether anything got through besides what failed.
    /// If not, one pause for all follows; true if that was so too often, and nothing is in hand any more.
    pub(super) fn judge_outage(&mut self, now: Instant) -> bool {
        if self.is_stuck {
            return self.hand.is_empty();
        }
        if !self.hand.is_empty() && !self.is_long_suspect(now) {
            return false;
        }
        let through = std::mem::take(&mut self.through);
        if through > 0 {
            self.outages = 0;
        }
        let Some(Outage { error, .. }) = self.outage.take() else {
            return false;
        };
        let error = error.into();
        if through > 0 {
            self.relay.observer.retrying(&error, Duration::ZERO);
            return false;
        }
        // What failed waits in the outbox again, though a look found it empty while it was in hand.
        self.is_free(now);
        let outages = if self.stopping {
            // Little time is left.
            self.held.clear();
            &mut 0
        } else {
            &mut self.outages
        };
        let resume_at = now + self.relay.failed(&error, outages);
        let has_tried_all = !self.is_full || self.held.is_full();
        let enough = if has_tried_all {
            YIELD_AFTER
        } else {
            YIELD_AT_LAST
        };
        self.is_stuck = O::DURABLE && *outages >= enough;
        if self.is_stuck {
            return self.hand.is_empty();
        }
        self.resume_at = resume_at;
        false
    }

    fn is_long_suspect(&self, now: Instant) -> bool {
        let longest = self.relay.policy.publish_within;
        let is_over = |outage: &Outage| now.saturating_duration_since(outage.since) >= longest;
        self.is_suspect() && self.outage.as_ref().is_some_and(is_over)
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
