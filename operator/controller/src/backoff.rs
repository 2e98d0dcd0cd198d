//! When a failed resource is tried again.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use operator_core::RESYNC;

pub(crate) const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(300);
/// What others were in the way of need not be out of it yet; each look costs reads.
const RECHECK: Duration = Duration::from_secs(10);

/// Exponential backoff for each resource, forgotten on success.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Counts one more failure of `key` and says how long to wait.
    pub(crate) fn next(&self, key: &str) -> Duration {
        let mut failures = self.lock();
        let count = failures.entry(key.to_owned()).or_insert(0);
        let delay = delay(key, *count);
        *count = count.saturating_add(1);
        delay
    }

    /// Whether `key` failed since it last succeeded.
    pub(crate) fn has_failed(&self, key: &str) -> bool {
        self.lock().contains_key(key)
    }

    /// Forgets the failures of `key`.
    pub(crate) fn reset(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a resource is looked at again although nothing happened.
pub(crate) fn resync(key: &str) -> Duration {
    spread(key, 0, RESYNC)
}

/// When a resource is looked at again that others were in the way of.
pub(crate) fn recheck(key: &str) -> Duration {
    spread(key, 0, RECHECK)
}

/// No earlier than `wait`, and not all at once.
pub(crate) fn after(wait: Duration, key: &str) -> Duration {
    wait + spread(key, 0, FIRST)
}

/// Doubles from [`FIRST`] to [`LONGEST`].
pub(crate) fn delay(key: &str, failures: u32) -> Duration {
    let full = FIRST
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST);
    spread(key, failures, full)
}

/// `full`, less up to a quarter that differs between resources, so that those which start together
/// do not come back together.
fn spread(key: &str, count: u32, full: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (key, count).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 1000).unwrap_or(0);
    full.saturating_sub(full / 4 * share / 1000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_anew_after_success() {
        let backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next("ns/a")).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST * 3 / 4);
        assert!(
            waits.windows(2).take(9).all(|pair| pair[0] < pair[1]),
            "{waits:?}"
        );
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[19] >= LONGEST * 3 / 4);
        backoff.reset("ns/a");
        assert!(backoff.next("ns/a") <= FIRST);
    }

    #[test]
    fn resources_that_fail_together_do_not_come_back_together() {
        let waits = (0..10).map(|number| delay(&format!("ns/{number}"), 3));
        let different: BTreeSet<Duration> = waits.collect();
        assert!(different.len() > 5, "{different:?}");
    }
}
