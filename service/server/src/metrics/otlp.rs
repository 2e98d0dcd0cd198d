//! What became of what is sent to the collector.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use user_settings::metric;

use super::{counter_name, result};

type Results = Family<[(&'static str, &'static str); 1], Counter>;

/// Counts spans and values of metrics by what became of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct OtlpCounters {
    spans: Results,
    points: Results,
}

impl OtlpCounters {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let counters = Self::default();
        registry.register(
            counter_name(metric::OTLP_SPANS),
            "Spans that were sent to the collector, or could not be",
            counters.spans.clone(),
        );
        registry.register(
            counter_name(metric::OTLP_METRIC_POINTS),
            "Values of metrics that were sent to the collector, or could not be",
            counters.points.clone(),
        );
        counters
    }

    pub(crate) fn spans(&self, count: usize, is_completed: bool) {
        add(&self.spans, count, is_completed);
    }

    pub(crate) fn points(&self, count: usize, is_completed: bool) {
        add(&self.points, count, is_completed);
    }
}

fn add(results: &Results, count: usize, is_completed: bool) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    results
        .get_or_create(&[(metric::RESULT, result(is_completed))])
        .inc_by(count);
}
