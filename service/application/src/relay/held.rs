//! Users whose next event waits for another attempt.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use user_domain::UserId;

use super::BATCH;
use super::hand::Hand;

/// Most users passed over: each look has to name them. With more, all are tried again from the oldest event on.
const MOST: usize = 10 * BATCH.get();

/// Most users with another attempt at a time, so that three quarters of a page are left to the others.
const RETRIED: usize = BATCH.get() / 4;

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

    /// Whether this user failed the last time.
    pub(super) fn contains(&self, user: UserId) -> bool {
        self.0.contains_key(&user)
    }

    /// This user has got through.
    pub(super) fn forget(&mut self, user: UserId) {
        self.0.remove(&user);
    }

    /// Passes this user over until then.
    pub(super) fn hold(&mut self, user: UserId, until: Instant) {
        let failures = self.failures(user).saturating_add(1);
        let until = Some(until);
        self.0.insert(user, Pause { until, failures });
    }

    /// Ends pauses that are over, first those that have been for the longest. Whose pause was ended for the last look and
    /// who was not found by it is forgotten, or passed over again if more waited than it could find.
    pub(super) fn let_go(&mut self, now: Instant, hand: &Hand, is_full: bool) {
        if self.is_full() {
            self.clear();
        }
        self.0.retain(|user, pause| {
            if pause.until.is_some() || hand.contains(*user) {
                return true;
            }
            pause.until = Some(now);
            is_full
        });
        let held = |(user, pause): (&UserId, &Pause)| Some((pause.until?, *user));
        let mut due: Vec<(Instant, UserId)> = self.0.iter().filter_map(held).collect();
        let retried = self.0.len() - due.len();
        due.retain(|(until, _)| *until <= now);
        due.sort_unstable();
        for (_, user) in due.into_iter().take(RETRIED.saturating_sub(retried)) {
            if let Some(pause) = self.0.get_mut(&user) {
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

    /// How many are passed over or have another attempt.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether more would be too many.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= MOST
    }

    /// Whether nobody waits for an attempt, due or not.
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|pause| pause.until.is_none())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
