//! What the Kafka producer does.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use user_adapter_kafka::{BrokerStatistics, FAILURES, ProducerStatistics};
use user_settings::metric;

use super::result;

/// Bounds of the delivery latency, seconds.
const LATENCIES: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

type Latencies = Family<[(&'static str, &'static str); 1], Histogram, fn() -> Histogram>;
type Words = Family<[(&'static str, &'static str); 1], Counter>;

/// What the producer did. All of it stays at nothing without Kafka.
#[derive(Clone, Debug)]
pub(crate) struct ProducerMetrics {
    latency: Latencies,
    failures: Words,
    request_failures: Words,
    retries: Counter,
    replaced: Counter,
    reloads: Words,
    queued: Gauge,
    records: Gauge<f64, AtomicU64>,
    bytes: Gauge<f64, AtomicU64>,
    brokers: Gauge,
    /// What each broker's connection had counted at the last report.
    counted: Arc<Mutex<HashMap<i32, BrokerStatistics>>>,
}

impl ProducerMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            latency: Latencies::new_with_constructor(|| Histogram::new(LATENCIES)),
            failures: Words::default(),
            request_failures: Words::default(),
            retries: Counter::default(),
            replaced: Counter::default(),
            reloads: Words::default(),
            queued: Gauge::default(),
            records: Gauge::default(),
            bytes: Gauge::default(),
            brokers: Gauge::default(),
            counted: Arc::default(),
        };
        for word in FAILURES {
            let _ = metrics.failures.get_or_create(&[(metric::REASON, word)]);
        }
        registry.register_with_unit(
            "kafka_producer_delivery",
            "From handing an event to the producer to its acknowledgement by the brokers",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        metrics.register_counters(registry);
        registry.register(
            "kafka_producer_queued",
            "Records in the queue or in flight",
            metrics.queued.clone(),
        );
        registry.register(
            "kafka_producer_brokers_connected",
            "Brokers with a connection",
            metrics.brokers.clone(),
        );
        registry.register(
            "kafka_producer_records_per_batch",
            "Records of a batch, on average over ten seconds",
            metrics.records.clone(),
        );
        registry.register(
            "kafka_producer_bytes_per_batch",
            "Compressed bytes of a batch, on average over ten seconds",
            metrics.bytes.clone(),
        );
        metrics
    }

    fn register_counters(&self, registry: &mut Registry) {
        registry.register(
            "kafka_producer_failures",
            "Records that were not acknowledged, each time",
            self.failures.clone(),
        );
        registry.register(
            "kafka_producer_request_failures",
            "Requests that were not sent or not answered in time",
            self.request_failures.clone(),
        );
        registry.register(
            "kafka_producer_request_retries",
            "Requests that were sent again",
            self.retries.clone(),
        );
        registry.register(
            "kafka_producer_replaced",
            "Producers that broke down for good and were replaced",
            self.replaced.clone(),
        );
        registry.register(
            "kafka_producer_reloads",
            "Changed credentials that were read",
            self.reloads.clone(),
        );
    }

    /// The producer counts for each connection from its own beginning; a smaller number is that of another producer.
    fn count(&self, broker: &BrokerStatistics) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counted
            .insert(broker.id, broker.clone())
            .unwrap_or_default();
        let more = |of: fn(&BrokerStatistics) -> u64| {
            let (now, before) = (of(broker), of(&before));
            now.checked_sub(before).unwrap_or(now)
        };
        self.retries.inc_by(more(|broker| broker.retries));
        for (word, count) in [
            ("not_sent", more(|broker| broker.transmit_errors)),
            ("timed_out", more(|broker| broker.timeouts)),
        ] {
            self.request_failures
                .get_or_create(&[(metric::REASON, word)])
                .inc_by(count);
        }
    }
}

impl ProducerMetrics {
    pub(crate) fn delivered(&self, event_type: &'static str, took: Duration) {
        self.latency
            .get_or_create(&[("event_type", event_type)])
            .observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, class: &'static str) {
        self.failures
            .get_or_create(&[(metric::REASON, class)])
            .inc();
    }

    pub(crate) fn statistics(&self, statistics: &ProducerStatistics) {
        let connected = statistics.brokers.iter().filter(|broker| broker.connected);
        self.queued
            .set(i64::try_from(statistics.queued).unwrap_or(i64::MAX));
        self.brokers
            .set(i64::try_from(connected.count()).unwrap_or(i64::MAX));
        for broker in &statistics.brokers {
            self.count(broker);
        }
        if let Some(records) = statistics.records_per_batch {
            self.records.set(records);
        }
        if let Some(bytes) = statistics.bytes_per_batch {
            self.bytes.set(bytes);
        }
    }

    pub(crate) fn replaced(&self) {
        self.replaced.inc();
    }

    pub(crate) fn reloaded(&self, in_force: bool) {
        self.reloads
            .get_or_create(&[(metric::RESULT, result(in_force))])
            .inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(retries: u64, timeouts: u64) -> ProducerStatistics {
        ProducerStatistics {
            brokers: vec![BrokerStatistics {
                id: 1,
                retries,
                timeouts,
                ..BrokerStatistics::default()
            }],
            bytes_per_batch: Some(512.0),
            ..ProducerStatistics::default()
        }
    }

    #[test]
    fn what_a_producer_counts_is_added_up_though_another_begins_anew() {
        let mut registry = Registry::default();
        let metrics = ProducerMetrics::register(&mut registry);
        for (retries, timeouts) in [(3, 1), (5, 1), (1, 2), (1, 2)] {
            metrics.statistics(&report(retries, timeouts));
        }
        metrics.failed("timed_out");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "kafka_producer_request_retries_total 6\n",
            "kafka_producer_request_failures_total{reason=\"timed_out\"} 2\n",
            "kafka_producer_request_failures_total{reason=\"not_sent\"} 0\n",
            "kafka_producer_failures_total{reason=\"timed_out\"} 1\n",
            "kafka_producer_failures_total{reason=\"queue_full\"} 0\n",
            "kafka_producer_bytes_per_batch 512.0\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
