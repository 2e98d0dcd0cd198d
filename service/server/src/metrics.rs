//! What `/metrics` shows.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use user_adapter_memory::MemoryStorage;
use user_settings::metric;

use crate::build;

/// Registers what is known at start: which build runs and since when.
pub(crate) fn register_process(registry: &mut Registry, started: SystemTime) {
    let info = Family::<[(&str, &str); 1], Gauge>::default();
    info.get_or_create(&[("version", build::VERSION)]).set(1);
    registry.register(
        metric::BUILD_INFO,
        "Always 1; the labels say which build runs",
        info,
    );
    let since_epoch = started
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let start_time = Gauge::<f64, AtomicU64>::default();
    start_time.set(since_epoch.as_secs_f64());
    registry.register(
        metric::PROCESS_START_TIME,
        "When the process started, in Unix seconds",
        start_time,
    );
}

/// What the relay did.
#[derive(Clone, Debug, Default)]
pub(crate) struct RelayMetrics {
    pub(crate) published: Counter,
    pub(crate) failures: Counter,
}

impl RelayMetrics {
    /// Registers the counters.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            counter_name(metric::OUTBOX_PUBLISHED),
            "Events published and acknowledged",
            metrics.published.clone(),
        );
        registry.register(
            counter_name(metric::OUTBOX_PUBLISH_FAILURES),
            "Attempts to publish that failed and were retried",
            metrics.failures.clone(),
        );
        metrics
    }
}

/// The encoder adds the suffix of a counter by itself.
fn counter_name(exposed: &'static str) -> &'static str {
    exposed.strip_suffix("_total").unwrap_or(exposed)
}

/// How full the embedded storage is, looked up at each scrape.
pub(crate) struct StorageMetrics(pub(crate) MemoryStorage);

impl Collector for StorageMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let gauges = [
            (
                metric::USERS_STORED,
                "Users in the embedded storage.",
                self.0.user_count(),
            ),
            (
                metric::OUTBOX_PENDING,
                "Events not yet published.",
                self.0.pending_count(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
        Ok(())
    }
}

impl fmt::Debug for StorageMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageMetrics")
    }
}
