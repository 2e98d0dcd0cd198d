//! What `/metrics` shows.

mod connections;
mod dependencies;
mod otlp;
mod pool;
mod producer;
mod relay;
mod runtime;
mod tls;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use user_adapter_grpc::RpcMetrics;
use user_adapter_memory::{Capacity, MemoryStorage};
use user_settings::metric;

use crate::{ServiceError, build, grpc};

pub(crate) use connections::ConnectionMetrics;
pub(crate) use dependencies::DependencyMetrics;
pub(crate) use otlp::OtlpCounters;
pub(crate) use pool::PoolMetrics;
pub(crate) use producer::ProducerMetrics;
pub(crate) use relay::RelayMetrics;
pub(crate) use tls::{HandshakeResult, TlsMetrics};

/// Everything that is measured.
pub(crate) struct Metrics {
    pub(crate) rpc: RpcMetrics,
    pub(crate) relay: RelayMetrics,
    pub(crate) producer: ProducerMetrics,
    pub(crate) tls: TlsMetrics,
    pub(crate) connections: ConnectionMetrics,
    pub(crate) otlp: OtlpCounters,
    pub(crate) dependencies: DependencyMetrics,
    pub(crate) pool: PoolMetrics,
    /// The embedded storage, in use or not: how full it is is looked up at each scrape.
    pub(crate) memory: MemoryStorage,
}

impl Metrics {
    /// With what is scraped. Has to be called inside the runtime that is measured.
    pub(crate) fn register(started: SystemTime) -> Result<(Self, Registry), ServiceError> {
        let mut registry = Registry::default();
        register_process(&mut registry, started);
        runtime::register(&mut registry);
        let memory = MemoryStorage::new(Capacity::default());
        let relay = RelayMetrics::register(&mut registry);
        registry.register_collector(Box::new(StorageMetrics {
            memory: memory.clone(),
            counted: relay.pending.clone(),
        }));
        let metrics = Self {
            rpc: grpc::register_metrics(&mut registry)?,
            relay,
            producer: ProducerMetrics::register(&mut registry),
            tls: TlsMetrics::register(&mut registry),
            connections: ConnectionMetrics::register(&mut registry),
            otlp: OtlpCounters::register(&mut registry),
            dependencies: DependencyMetrics::register(&mut registry),
            pool: PoolMetrics::register(&mut registry),
            memory,
        };
        Ok((metrics, registry))
    }
}

/// Registers what is known at start: which build runs and since when.
fn register_process(registry: &mut Registry, started: SystemTime) {
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
    registry.register_with_unit(
        without_unit(metric::PROCESS_START_TIME),
        "When the process started, in Unix time",
        Unit::Seconds,
        start_time,
    );
}

const COMPLETED: &str = "completed";
const FAILED: &str = "failed";

/// The word for what became of something.
const fn result(is_completed: bool) -> &'static str {
    if is_completed { COMPLETED } else { FAILED }
}

/// The encoder adds the suffix of a counter by itself.
pub(crate) fn counter_name(exposed: &'static str) -> &'static str {
    exposed.strip_suffix("_total").unwrap_or(exposed)
}

/// The encoder adds the unit by itself.
fn without_unit(exposed: &'static str) -> &'static str {
    exposed.strip_suffix("_seconds").unwrap_or(exposed)
}

/// How full the storage is: the embedded one is looked at for each scrape, of a database the active relay has counted.
/// One of the two is empty.
struct StorageMetrics {
    memory: MemoryStorage,
    counted: Gauge,
}

impl Collector for StorageMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        let pending = count(self.memory.pending_count());
        let gauges = [
            (
                metric::USERS_STORED,
                "Users in the embedded storage.",
                count(self.memory.user_count()),
            ),
            (
                metric::OUTBOX_PENDING,
                "Events not yet published.",
                pending.saturating_add(self.counted.get()),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
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
