//! What the threads that answer calls do.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::runtime::{Handle, RuntimeMetrics};

/// Looked up at each scrape: the runtime counts by itself.
#[derive(Debug)]
struct Runtime(RuntimeMetrics);

/// Registers the metrics of the runtime that this is called in.
pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Runtime(Handle::current().metrics())));
}

impl Collector for Runtime {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(runtime) = self;
        let gauges = [
            (
                "tokio_workers",
                "Threads that work on tasks.",
                runtime.num_workers(),
            ),
            (
                "tokio_alive_tasks",
                "Tasks that have not ended.",
                runtime.num_alive_tasks(),
            ),
            (
                "tokio_global_queue_depth",
                "Tasks that could go on and have no thread yet.",
                runtime.global_queue_depth(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
        let workers = 0..runtime.num_workers();
        let busy: Duration = workers
            .map(|worker| runtime.worker_total_busy_duration(worker))
            .sum();
        let busy = ConstCounter::new(busy.as_secs_f64());
        let help = "How long the threads were busy, together.";
        let unit = Some(&Unit::Seconds);
        let encoder = encoder.encode_descriptor("tokio_busy", help, unit, busy.metric_type())?;
        busy.encode(encoder)
    }
}
