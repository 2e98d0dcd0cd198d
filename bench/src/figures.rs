//! Latencies and how they are shown.

use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;

/// Latencies in microseconds, up to a minute, with three significant digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Result<Self> {
        let bounds = Histogram::new_with_bounds(1, 60_000_000, 3);
        Ok(Self(bounds.map_err(|error| anyhow::anyhow!("{error}"))?))
    }

    pub(crate) fn add(&mut self, took: Duration) -> Result<()> {
        let micros = u64::try_from(took.as_micros()).context("a latency")?;
        self.0.saturating_record(micros.max(1));
        Ok(())
    }

    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        Duration::from_micros(self.0.value_at_quantile(quantile)).as_secs_f64() * 1000.0
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
