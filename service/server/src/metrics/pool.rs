//! Connections to the database, by the names of OpenTelemetry's semantic conventions in their Prometheus form.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use user_adapter_mongodb::ConnectionEvent;
use user_settings::metric;

use super::{counter_name, without_unit};

/// Bounds of the wait for a connection, seconds.
const WAITS: [f64; 9] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What the connections do. All of it stays at nothing without a database.
#[derive(Clone, Debug)]
pub(crate) struct PoolMetrics {
    connections: Connections,
    pending: Gauge,
    timeouts: Counter,
    wait: Histogram,
}

/// How many there are, and how many of them are in use.
#[derive(Clone, Debug, Default)]
struct Connections {
    open: Arc<AtomicI64>,
    used: Arc<AtomicI64>,
}

impl PoolMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            connections: Connections::default(),
            pending: Gauge::default(),
            timeouts: Counter::default(),
            wait: Histogram::new(WAITS),
        };
        registry.register_collector(Box::new(metrics.connections.clone()));
        registry.register(
            metric::DB_CONNECTION_PENDING_REQUESTS,
            "Calls that wait for a connection to the database",
            metrics.pending.clone(),
        );
        registry.register(
            counter_name(metric::DB_CONNECTION_TIMEOUTS),
            "Calls that got no connection to the database in time",
            metrics.timeouts.clone(),
        );
        registry.register_with_unit(
            without_unit(metric::DB_CONNECTION_WAIT_TIME),
            "How long calls waited for a connection to the database",
            Unit::Seconds,
            metrics.wait.clone(),
        );
        metrics
    }

    pub(crate) fn saw(&self, event: ConnectionEvent) {
        let Connections { open, used } = &self.connections;
        match event {
            ConnectionEvent::Opened => {
                open.fetch_add(1, Ordering::Relaxed);
            }
            ConnectionEvent::Closed => {
                open.fetch_sub(1, Ordering::Relaxed);
            }
            ConnectionEvent::Awaited => {
                self.pending.inc();
            }
            ConnectionEvent::Admitted(waited) => {
                self.pending.dec();
                self.wait.observe(waited.as_secs_f64());
            }
            ConnectionEvent::Taken(waited) => {
                self.pending.dec();
                used.fetch_add(1, Ordering::Relaxed);
                self.wait.observe(waited.as_secs_f64());
            }
            ConnectionEvent::Refused { is_timeout } => {
                self.pending.dec();
                self.timeouts.inc_by(u64::from(is_timeout));
            }
            ConnectionEvent::Returned => {
                used.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let used = self.used.load(Ordering::Relaxed);
        // Each number is right, the two of them may be of different moments.
        let idle = self.open.load(Ordering::Relaxed).saturating_sub(used);
        let kind = ConstGauge::new(0_i64).metric_type();
        let help = "Connections to the database.";
        let name = metric::DB_CONNECTION_COUNT;
        let mut encoder = encoder.encode_descriptor(name, help, None, kind)?;
        for (state, count) in [("idle", idle.max(0)), ("used", used)] {
            let labels = [(metric::DB_CONNECTION_STATE, state)];
            ConstGauge::new(count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn connections_are_counted_by_what_becomes_of_them() {
        let mut registry = Registry::default();
        let metrics = PoolMetrics::register(&mut registry);
        for event in [
            ConnectionEvent::Opened,
            ConnectionEvent::Opened,
            ConnectionEvent::Opened,
            ConnectionEvent::Closed,
            ConnectionEvent::Awaited,
            ConnectionEvent::Taken(Duration::from_millis(3)),
            ConnectionEvent::Awaited,
            ConnectionEvent::Taken(Duration::from_millis(3)),
            ConnectionEvent::Returned,
            ConnectionEvent::Awaited,
            ConnectionEvent::Refused { is_timeout: true },
            ConnectionEvent::Awaited,
            ConnectionEvent::Refused { is_timeout: false },
            ConnectionEvent::Awaited,
            ConnectionEvent::Admitted(Duration::from_secs(2)),
            ConnectionEvent::Awaited,
        ] {
            metrics.saw(event);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "db_client_connection_count{db_client_connection_state=\"idle\"} 1\n",
            "db_client_connection_count{db_client_connection_state=\"used\"} 1\n",
            "db_client_connection_pending_requests 1\n",
            "db_client_connection_timeouts_total 1\n",
            "db_client_connection_wait_time_seconds_count 3\n",
            "db_client_connection_wait_time_seconds_bucket{le=\"1.0\"} 2\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
