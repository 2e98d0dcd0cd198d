//! What the service itself says of its calls.

use std::time::Duration;

use anyhow::{Context as _, Result};
use user_settings::metric;

/// Calls of one method that ended with one status, by the bound that they took at most. Each bucket counts those before
/// it as well, and the last one all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram(Vec<(f64, u64)>);

impl Histogram {
    pub(super) fn read(metrics: &str, method: &str, status: &str) -> Result<Self> {
        let name = format!("{}_bucket{{", metric::RPC_SERVER_CALL_DURATION);
        let labels = [
            format!("{}=\"user.v1.UserService/{method}\"", metric::RPC_METHOD),
            format!("{}=\"{status}\"", metric::RPC_RESPONSE_STATUS_CODE),
        ];
        let buckets = metrics.lines().filter(|line| {
            line.starts_with(&name) && labels.iter().all(|label| line.contains(label))
        });
        let bucket = |line: &str| {
            let (_, bound) = line
                .split_once("le=\"")
                .context("a bucket without a bound")?;
            let (bound, _) = bound.split_once('"').context("a bound without an end")?;
            let (_, count) = line.split_once("} ").context("a bucket without a count")?;
            // What follows is an example.
            let count = count.split(' ').next().unwrap_or_default();
            let bound = if bound == "+Inf" {
                f64::INFINITY
            } else {
                bound.parse()?
            };
            anyhow::Ok((bound, count.parse()?))
        };
        Ok(Self(buckets.map(bucket).collect::<Result<_>>()?))
    }

    /// Those that ended since.
    pub(super) fn since(self, before: &Self) -> Self {
        let had = |at: usize| before.0.get(at).map_or(0, |(_, count)| *count);
        let added = self.0.into_iter().enumerate();
        Self(
            added
                .map(|(at, (bound, count))| (bound, count - had(at)))
                .collect(),
        )
    }

    /// Takes others in.
    pub(super) fn merge(&mut self, other: Self) {
        if self.0.is_empty() {
            self.0 = other.0;
            return;
        }
        for ((_, count), (_, more)) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// The share that took no longer than this bound.
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    pub(super) fn share_within(&self, bound: Duration) -> f64 {
        let all = self.0.last().map_or(0, |(_, count)| *count);
        let within = self
            .0
            .iter()
            .rfind(|(upper, _)| *upper <= bound.as_secs_f64());
        within.map_or(0, |(_, count)| *count) as f64 / all.max(1) as f64
    }

    /// The lowest bound that this share is within, in milliseconds.
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    pub(super) fn bound_of(&self, share: f64) -> f64 {
        let all = self.0.last().map_or(0, |(_, count)| *count) as f64;
        let within = self
            .0
            .iter()
            .find(|(_, count)| *count as f64 >= share * all);
        within.map_or(0.0, |(bound, _)| bound * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buckets_of_a_method_and_a_status_are_found_among_the_metrics() {
        let line = |method: &str, status: &str, bound: &str, count: u64| {
            format!(
                "rpc_server_call_duration_seconds_bucket{{le=\"{bound}\",rpc_method=\"user.v1.UserService/{method}\",rpc_response_status_code=\"{status}\"}} {count}\n"
            )
        };
        let metrics = [
            line("ListUsers", "OK", "0.005", 97),
            line("ListUsers", "OK", "0.01", 99),
            line("ListUsers", "OK", "+Inf", 100),
            line("ListUsers", "RESOURCE_EXHAUSTED", "0.005", 7),
            line("GetUser", "OK", "0.005", 8),
        ];
        let found = Histogram::read(&metrics.concat(), "ListUsers", "OK").expect("is read");
        let expected = Histogram(vec![(0.005, 97), (0.01, 99), (f64::INFINITY, 100)]);
        assert_eq!(found, expected);
        assert!((found.share_within(Duration::from_millis(5)) - 0.97).abs() < 1e-9);
        assert!((found.bound_of(0.99) - 10.0).abs() < 1e-9);
        let before = Histogram(vec![(0.005, 90), (0.01, 90), (f64::INFINITY, 90)]);
        let since = Histogram(vec![(0.005, 7), (0.01, 9), (f64::INFINITY, 10)]);
        assert_eq!(found.since(&before), since);
    }
}
