//! What the relay does.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use user_application::{Backlog, OutboxRecord};
use user_settings::metric;

use super::counter_name;

/// Bounds of the publish delay, seconds: around the goal of 100 ms, and up to an outage of a day.
const DELAYS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0, 86400.0,
];

type Reasons = Family<[(&'static str, &'static str); 1], Counter>;

/// What the relay did.
#[derive(Clone, Debug)]
pub(crate) struct RelayMetrics {
    /// 1 while this is the active relay.
    pub(crate) active: Gauge,
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
            active: Gauge::default(),
            published: Counter::default(),
            delay: Histogram::new(DELAYS),
            failures: Reasons::default(),
            dead_letters: Reasons::default(),
            pending: Gauge::default(),
            oldest: Gauge::default(),
        };
        registry.register(
            metric::OUTBOX_RELAY_ACTIVE,
            "1 while this process publishes for all that share the outbox",
            metrics.active.clone(),
        );
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
        registry.register(
            counter_name(metric::OUTBOX_DEAD_LETTERS),
            "Events given up and sent to the dead letters",
            metrics.dead_letters.clone(),
        );
        registry.register_with_unit(
            without_unit(metric::OUTBOX_PUBLISH_DELAY),
            "From the event to the acknowledgement that it is out",
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

    pub(crate) fn published(&self, records: &[OutboxRecord], now: SystemTime) {
        let events = u64::try_from(records.len()).unwrap_or(u64::MAX);
        self.published.inc_by(events);
        for record in records {
            self.delay.observe(age(record.event.occurred_at(), now));
        }
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

/// Seconds from then to now; clocks of different machines may disagree a little.
fn age(then: SystemTime, now: SystemTime) -> f64 {
    let age = now.duration_since(then).unwrap_or(Duration::ZERO);
    age.as_secs_f64()
}

/// The encoder adds the unit by itself.
fn without_unit(exposed: &'static str) -> &'static str {
    exposed.strip_suffix("_seconds").unwrap_or(exposed)
}
