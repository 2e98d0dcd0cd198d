//! What became of spans.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use user_settings::metric;

use super::counter_name;

/// Counts spans by what became of them.
#[derive(Clone, Debug)]
pub(crate) struct SpanMetrics {
    sent: Family<[(&'static str, &'static str); 1], Counter>,
}

impl SpanMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let sent = Family::default();
        registry.register(
            counter_name(metric::OTLP_SPANS),
            "Spans that were sent to the collector, or could not be",
            sent.clone(),
        );
        Self { sent }
    }

    pub(crate) fn sent(&self, spans: usize, is_completed: bool) {
        let result = if is_completed { "completed" } else { "failed" };
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        self.sent
            .get_or_create(&[(metric::RESULT, result)])
            .inc_by(spans);
    }
}
