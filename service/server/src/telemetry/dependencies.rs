//! How what the service works with is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::metrics::DependencyMetrics;

/// What the service works with; of these it tells only about those that its settings name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dependency {
    Database,
    SchemaRegistry,
    Kafka,
    Relay,
    Tls,
    Spans,
    Metrics,
}

impl Dependency {
    /// The word for it in metrics and in the readiness detail.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::SchemaRegistry => "schema_registry",
            Self::Kafka => "kafka",
            Self::Relay => "relay",
            Self::Tls => "tls",
            Self::Spans => "otlp_spans",
            Self::Metrics => "otlp_metrics",
        }
    }

    /// What it is called in the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Database => "the database",
            Self::SchemaRegistry => "the schema registry",
            Self::Kafka => "Kafka",
            Self::Relay => "the relay",
            Self::Tls => "TLS",
            Self::Spans => "sending spans",
            Self::Metrics => "sending metrics",
        }
    }
}

/// What was last heard of each, `Ok` or why not; the metrics say the same.
#[derive(Clone, Debug)]
pub(crate) struct Dependencies {
    states: Arc<Mutex<States>>,
    metrics: DependencyMetrics,
}

type States = BTreeMap<Dependency, Result<(), String>>;

impl Dependencies {
    pub(super) fn new(metrics: DependencyMetrics) -> Self {
        Self {
            states: Arc::default(),
            metrics,
        }
    }

    /// Keeps what was heard, if that is due after whether it worked the last time; nothing if nothing was heard yet. Tells
    /// whether it was due.
    pub(super) fn heard(
        &self,
        dependency: Dependency,
        state: Result<(), String>,
        is_due: impl FnOnce(Option<bool>) -> bool,
    ) -> bool {
        let mut states = self.states();
        let is_due = is_due(states.get(&dependency).map(Result::is_ok));
        if is_due {
            self.metrics.is(dependency, state.is_ok());
            states.insert(dependency, state);
        }
        is_due
    }

    /// All of it, for people.
    pub(crate) fn detail(&self) -> Value {
        let states = self.states();
        let described = states.iter().map(|(dependency, state)| {
            let state = match state {
                Ok(()) => json!({"ready": true}),
                Err(why) => json!({"ready": false, "why": why}),
            };
            (dependency.word().to_owned(), state)
        });
        Value::Object(described.collect())
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
