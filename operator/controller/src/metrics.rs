//! What the operator tells about itself, with label sets that cannot grow.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// How a pass over a resource ended.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub(crate) enum Outcome {
    Ok,
    Error,
    Panic,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReconcileLabels {
    outcome: Outcome,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    verb: &'static str,
    kind: &'static str,
}

/// The operator's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    duration: Histogram,
    writes: Family<WriteLabels, Counter>,
    leader: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("userservice_operator");
        let reconciles = Family::default();
        let duration = Histogram::new([
            0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
        ]);
        let writes = Family::default();
        let leader = Gauge::default();
        registry.register(
            "reconciles",
            "Passes over a resource, by outcome",
            reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time that a pass took",
            Unit::Seconds,
            duration.clone(),
        );
        registry.register(
            "writes",
            "Writes to the API server, by verb and kind",
            writes.clone(),
        );
        registry.register(
            "leader",
            "Whether this replica leads: 1 or 0",
            leader.clone(),
        );
        Self {
            registry,
            reconciles,
            duration,
            writes,
            leader,
        }
    }

    pub(crate) fn reconciled(&self, outcome: Outcome, took: Duration) {
        self.reconciles
            .get_or_create(&ReconcileLabels { outcome })
            .inc();
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn written(&self, verb: &'static str, kind: &'static str) {
        self.writes.get_or_create(&WriteLabels { verb, kind }).inc();
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The `OpenMetrics` text of everything.
    pub(crate) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
