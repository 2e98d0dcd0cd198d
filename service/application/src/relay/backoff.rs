//! How long to pause after failures.

use std::time::Duration;

/// Pauses after failures in a row: by chance between zero and a bound that doubles each time (full jitter), so that
/// those who failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound after the first failure.
    pub first: Duration,
    /// The bound never grows beyond this.
    pub longest: Duration,
}

impl Backoff {
    /// The bound after so many failures in a row, counted from 1.
    pub(super) fn longest_pause(self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

impl Default for Backoff {
    /// From 100 ms to 10 s.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5),
        };
        let bounds: Vec<u64> = (1..=5)
            .map(|n| backoff.longest_pause(n).as_secs())
            .collect();
        assert_eq!(bounds, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.longest_pause(u32::MAX).as_secs(), 5);
    }
}
