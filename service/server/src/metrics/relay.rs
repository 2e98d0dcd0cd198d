//! What the relay does.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use user_application::{Backlog, OutboxRecord};
use user_settings::metric;

use super::{counter_name, without_unit};

/// Bounds of the publish delay, seconds: around the goal of 100 ms, and up to an outage of a day.
const DELAYS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0, 86400.0,
];

type Reasons = Family<[(&'static str, &'static str); 1], Counter>;

/// What the relay did.
#[derive(Clone, Debug)]
pub(crate) struct RelayMetrics {
    /// Until when this is the active relay.
    lease: Arc<Mutex<Option<Instant>>>,
    published: Counter,
    delay: Histogram,
    failures: Reasons,
    dead_letters: Reasons,
    /// Events not yet published, as the active relay counted them last in a storage that is shared.
    pub(super) pending: Gauge,
    oldest: Gauge<f64, AtomicU64>,
}

impl RelayMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            lease: Arc::default(),
            published: Counter::default(),
            delay: Histogram::new(DELAYS),
            failures: Reasons::default(),
            dead_letters: Reasons::default(),
            pending: Gauge::default(),
            oldest: Gauge::default(),
        };
        registry.register_collector(Box::new(Active(metrics.clone())));
        registry.register(
            counter_name(metric::OUTBOX_PUBLISHED),
            "Events published and marked so in the outbox",
            metrics.published.clone(),
        );
        registry.register(
            counter_name(metric::OUTBOX_PUBLISH_FAILURES),
            "Attempts to publish that failed and were retried",
            metrics.failures.clone(),
        );
        registry.register(
            counter_name(metric::OUTBOX_DEAD_LETTERS),
            "Events given up and sent to the dead letters",
            metrics.dead_letters.clone(),
        );
        registry.register_with_unit(
            without_unit(metric::OUTBOX_PUBLISH_DELAY),
            "From the event to its acknowledgement by the publisher",
            Unit::Seconds,
            metrics.delay.clone(),
        );
        registry.register_with_unit(
            without_unit(metric::OUTBOX_OLDEST_PENDING_AGE),
            "Age of the oldest event not yet published",
            Unit::Seconds,
            metrics.oldest.clone(),
        );
        metrics
    }

    /// This is the active relay until then; what was said before.
    pub(crate) fn leads(&self, until: Option<Instant>) -> Option<Instant> {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *lease, until)
    }

    /// Whether the lease lasts: a relay that was frozen past its end cannot have said that it is over.
    pub(crate) fn is_active(&self) -> bool {
        let until = *self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    pub(crate) fn acknowledged(&self, record: &OutboxRecord, now: SystemTime) {
        self.delay.observe(age(record.event.occurred_at(), now));
    }

    pub(crate) fn published(&self, events: usize) {
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        self.published.inc_by(events);
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.failures
            .get_or_create(&[(metric::REASON, reason)])
            .inc();
    }

    pub(crate) fn buried(&self, reason: &'static str) {
        self.dead_letters
            .get_or_create(&[(metric::REASON, reason)])
            .inc();
    }

    pub(crate) fn backlog(&self, backlog: Backlog, now: SystemTime) {
        let pending = i64::try_from(backlog.pending).unwrap_or(i64::MAX);
        self.pending.set(pending);
        self.oldest
            .set(backlog.oldest.map_or(0.0, |oldest| age(oldest, now)));
    }

    /// Another relay counts now.
    pub(crate) fn forget_backlog(&self) {
        self.pending.set(0);
        self.oldest.set(0.0);
    }
}

/// Whether this is the active relay, at the moment of the scrape.
#[derive(Debug)]
struct Active(RelayMetrics);

impl Collector for Active {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "1 while this process publishes for all that share the outbox.";
        let gauge = ConstGauge::new(i64::from(self.0.is_active()));
        let name = metric::OUTBOX_RELAY_ACTIVE;
        let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
        gauge.encode(encoder)
    }
}

/// Seconds from then to now; clocks of different machines may disagree a little.
fn age(then: SystemTime, now: SystemTime) -> f64 {
    let age = now.duration_since(then).unwrap_or(Duration::ZERO);
    age.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scraped(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn a_relay_is_active_no_longer_than_its_lease_though_it_says_nothing() {
        let mut registry = Registry::default();
        let metrics = RelayMetrics::register(&mut registry);
        let shows = |value: u8| {
            let line = format!("{} {value}\n", metric::OUTBOX_RELAY_ACTIVE);
            assert!(scraped(&registry).contains(&line), "{line}");
        };
        shows(0);
        metrics.leads(Some(Instant::now() + Duration::from_secs(60)));
        shows(1);
        metrics.leads(Some(Instant::now()));
        shows(0);
        metrics.leads(None);
        shows(0);
    }
}
