//! Looks at the outbox: when, and what is taken.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use user_domain::UserId;

use super::{Done, Work};
use crate::relay::BATCH;
use crate::relay::chain::{CHAIN, Chain, by_user};
use crate::{EventPublisher, Outbox, OutboxRecord, RelayObserver, Timer};

/// Most events in hand: a batch that comes in while another goes out. Bounds memory, and what a relay that dies leaves
/// to be repeated.
const IN_HAND: usize = 2 * BATCH.get();

/// Between two looks at the outbox when nothing comes in: at first, and doubling up to at last.
pub(super) const IDLE: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(2)];

/// Between a look that found something and the next: to look and write for each event would cost more than the event.
const GATHER: Duration = Duration::from_millis(2);

/// What is to be sent next.
pub(super) struct Fetched {
    chains: Vec<Chain>,
    /// Who has so much waiting that it would take up much of the next page as well, whether in hand or not.
    crowding: Vec<UserId>,
    /// There was something, be it of users in hand alone.
    has_found: bool,
    /// Whether more may wait behind it.
    is_full: bool,
}

impl Fetched {
    /// Of the oldest events, for which the limit was this, those of users with nothing in hand, and of each at most a
    /// chain.
    fn of(page: Vec<OutboxRecord>, limit: NonZeroUsize, in_hand: &HashSet<UserId>) -> Self {
        let has_found = !page.is_empty();
        let is_page_full = page.len() >= limit.get();
        let mut chains = by_user(page);
        let crowds = |chain: &&Chain| chain.records.len() >= 2 * CHAIN;
        let crowding = chains.iter().filter(crowds).map(|chain| chain.user);
        let crowding = crowding.collect();
        chains.retain(|chain| !in_hand.contains(&chain.user));
        let mut room = BATCH.get();
        for chain in &mut chains {
            chain.records.truncate(room.min(CHAIN));
            room -= chain.records.len();
        }
        chains.retain(|chain| !chain.records.is_empty());
        Self {
            chains,
            crowding,
            has_found,
            is_full: is_page_full || room == 0,
        }
    }
}

impl<O: Outbox, P: EventPublisher, T: Timer, W: RelayObserver> Work<'_, O, P, T, W> {
    pub(super) fn fetch(&mut self, now: Instant) {
        if self.through > 0
            && let Some(outage) = self.outage.take()
        {
            let error = outage.error.into();
            self.relay.observer.retrying(&error, Duration::ZERO);
            (self.through, self.outages) = (0, 0);
        }
        self.held.let_go(now, &self.hand, self.is_full);
        let mut except = self.held.users();
        except.extend(self.hand.crowding());
        // They are read once more and passed over here: to name them all would make the query slow.
        let in_hand: HashSet<UserId> = self.hand.users().collect();
        let limit = BATCH.saturating_add(self.hand.events());
        self.fetching = true;
        let outbox = &self.relay.outbox;
        self.running.push(Box::pin(async move {
            let page = outbox.pending(limit, &except).await;
            Done::Fetched(page.map(|page| Fetched::of(page, limit, &in_hand)))
        }));
    }

    /// In how long to fetch; nothing if something that runs has to end first.
    pub(super) fn look_in(&self, now: Instant) -> Option<Duration> {
        let is_crowded = self.hand.events() + BATCH.get() > IN_HAND;
        if self.fetching || is_crowded || self.is_stuck || self.stopping && O::DURABLE {
            return None;
        }
        let look_at = self.look_at.max(self.soonest + self.rest());
        let look_in = look_at.saturating_duration_since(now);
        if self.lease.left(now) < self.relay.policy.publish_within {
            // A renewal that is on its way does not say when it is there.
            return Some(look_in.max(IDLE[0]));
        }
        Some(look_in)
    }

    /// Least time between two looks: the longer the more users each has to name, and while nothing gets through.
    fn rest(&self) -> Duration {
        let pages = u32::try_from(self.held.count() / BATCH).unwrap_or(u32::MAX);
        let naming = IDLE[0].saturating_mul(pages);
        if !self.is_suspect() {
            return naming;
        }
        let backoff = self.relay.policy.backoff;
        naming.max(backoff.longest_pause(self.outages.saturating_add(1)))
    }

    pub(super) fn fetched(&mut self, fetched: Fetched, now: Instant) {
        let Fetched {
            chains,
            mut crowding,
            has_found,
            is_full,
        } = fetched;
        self.outbox_failures = 0;
        self.is_full = is_full;
        self.is_empty = chains.is_empty();
        if self.is_empty && self.hand.is_empty() && self.held.is_empty() {
            self.relay.observer.rests();
        }
        self.look_at = if self.is_empty {
            let idle = self.idle;
            self.idle = idle.saturating_mul(2).min(IDLE[1]);
            let due = self.held.next_due(now).unwrap_or(idle);
            now + due.clamp(IDLE[0], idle)
        } else {
            self.idle = IDLE[0];
            now + if is_full { Duration::ZERO } else { IDLE[0] }
        };
        let gathers = has_found && !is_full;
        self.soonest = now + if gathers { GATHER } else { Duration::ZERO };
        for mut chain in chains {
            if self.held.contains(chain.user) {
                // One event shows whether it gets through.
                chain.records.truncate(1);
                crowding.push(chain.user);
            }
            self.hand.take(chain.user, chain.records.len());
            let (relay, lease) = (self.relay, self.lease);
            let sending = async move { Done::Sent(relay.send(chain, lease).await) };
            self.running.push(Box::pin(sending));
        }
        for user in crowding {
            self.hand.crowds(user);
        }
    }

    /// Something may wait that was not there, or not to be fetched, the last time.
    pub(super) fn is_free(&mut self, at: Instant) {
        self.is_empty = false;
        self.look_at = self.look_at.min(at.max(self.soonest));
    }
}
