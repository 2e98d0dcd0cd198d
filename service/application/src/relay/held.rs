//! Users whose next event waits for another attempt.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use user_domain::UserId;

use super::hand::Hand;

/// Users that are passed over for a while.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<UserId, Pause>);

#[derive(Clone, Copy, Debug)]
struct Pause {
    /// When it is over; none while the user has its next attempt.
    until: Option<Instant>,
    failures: u32,
}

impl Held {
    /// Failures of this user in a row so far.
    pub(super) fn failures(&self, user: UserId) -> u32 {
        self.0.get(&user).map_or(0, |pause| pause.failures)
    }

    /// Passes this user over until then.
    pub(super) fn hold(&mut self, user: UserId, until: Instant) {
        let failures = self.failures(user).saturating_add(1);
        let until = Some(until);
        self.0.insert(user, Pause { until, failures });
    }

    /// Ends the pauses that are over. Who has had its attempt and was not held again is forgotten.
    pub(super) fn let_go(&mut self, now: Instant, hand: &Hand) {
        self.0
            .retain(|user, pause| pause.until.is_some() || hand.contains(*user));
        for pause in self.0.values_mut() {
            if pause.until.is_some_and(|until| until <= now) {
                pause.until = None;
            }
        }
    }

    /// Who is passed over.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.0
            .iter()
            .filter(|(_, pause)| pause.until.is_some())
            .map(|(user, _)| *user)
            .collect()
    }

    /// How long until the first pause is over.
    pub(super) fn next_due(&self, now: Instant) -> Option<Duration> {
        let due = self.0.values().filter_map(|pause| pause.until).min()?;
        Some(due.saturating_duration_since(now))
    }

    /// How many are passed over at this moment.
    pub(super) fn len(&self, now: Instant) -> usize {
        let held = |pause: &&Pause| pause.until.is_some_and(|until| until > now);
        self.0.values().filter(held).count()
    }

    /// Whether nobody waits for an attempt, due or not.
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|pause| pause.until.is_none())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
