//! Latencies and how they are shown.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

/// Latencies in nanoseconds, up to a minute, with three significant digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Result<Self> {
        let bounds = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        Ok(Self(bounds.map_err(|error| anyhow::anyhow!("{error}"))?))
    }

    /// A longer one counts as a minute.
    pub(crate) fn add(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos.max(1));
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        let added = self.0.add(&other.0);
        added.map_err(|error| anyhow::anyhow!("{error}"))
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// So many each second.
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    pub(crate) fn rate(&self, took: Duration) -> f64 {
        self.0.len() as f64 / took.as_secs_f64()
    }

    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(quantile))
    }

    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.quantile(quantile).as_secs_f64() * 1000.0
    }

    pub(crate) fn shown(&self) -> String {
        format!(
            "p50 {:7.2} ms   p99 {:7.2} ms   {} calls",
            self.quantile_ms(0.5),
            self.quantile_ms(0.99),
            self.0.len()
        )
    }
}

/// So many things in so much time, each second.
#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The middle one; 0 if there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
