//! What the Kafka producer does.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use user_adapter_kafka::{ProducerObserver, ProducerStatistics};

/// Bounds of the delivery latency, seconds.
const LATENCIES: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

type Latencies = Family<[(&'static str, &'static str); 1], Histogram, fn() -> Histogram>;

/// What the producer did. All of it stays at nothing without Kafka.
#[derive(Clone, Debug)]
pub(crate) struct ProducerMetrics {
    latency: Latencies,
    replaced: Counter,
    queued: Gauge,
    batch: Gauge<f64, AtomicU64>,
    brokers: Gauge,
    errors: Gauge,
    retries: Gauge,
}

impl ProducerMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            latency: Latencies::new_with_constructor(|| Histogram::new(LATENCIES)),
            replaced: Counter::default(),
            queued: Gauge::default(),
            batch: Gauge::default(),
            brokers: Gauge::default(),
            errors: Gauge::default(),
            retries: Gauge::default(),
        };
        registry.register_with_unit(
            "kafka_producer_delivery",
            "From handing an event to the producer to its acknowledgement by the brokers",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        registry.register(
            "kafka_producer_replaced",
            "Producers that broke down for good and were replaced",
            metrics.replaced.clone(),
        );
        let gauges = [
            (
                "kafka_producer_queued",
                "Records in the queue or in flight",
                &metrics.queued,
            ),
            (
                "kafka_producer_brokers_connected",
                "Brokers with a connection",
                &metrics.brokers,
            ),
            (
                "kafka_producer_request_errors",
                "Requests not sent for an error, so far",
                &metrics.errors,
            ),
            (
                "kafka_producer_request_retries",
                "Requests sent again, so far",
                &metrics.retries,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "kafka_producer_records_per_batch",
            "Records of a batch, on average over ten seconds",
            metrics.batch.clone(),
        );
        metrics
    }
}

impl ProducerObserver for ProducerMetrics {
    fn delivered(&self, event_type: &'static str, took: Duration) {
        self.latency
            .get_or_create(&[("event_type", event_type)])
            .observe(took.as_secs_f64());
    }

    fn statistics(&self, statistics: &ProducerStatistics) {
        let gauge = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        let sum = |of: fn(&user_adapter_kafka::BrokerStatistics) -> u64| {
            statistics.brokers.iter().map(of).sum()
        };
        gauge(&self.queued, statistics.queued);
        gauge(&self.brokers, sum(|broker| u64::from(broker.connected)));
        gauge(&self.errors, sum(|broker| broker.transmit_errors));
        gauge(&self.retries, sum(|broker| broker.retries));
        if let Some(records) = statistics.records_per_batch {
            self.batch.set(records);
        }
    }

    fn replaced(&self) {
        self.replaced.inc();
        tracing::error!("the Kafka producer broke down for good and was replaced");
    }
}
