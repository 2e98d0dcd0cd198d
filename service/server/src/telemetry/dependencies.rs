//! How what the service works with is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

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

/// What was last heard of each, `Ok` or why not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependencies(Arc<Mutex<BTreeMap<Dependency, Result<(), String>>>>);

impl Dependencies {
    /// Keeps what was heard.
    pub(super) fn heard(&self, dependency: Dependency, state: Result<(), String>) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(dependency, state);
    }

    /// Whether the last that was heard is that it works; nothing if nothing was heard.
    pub(super) fn works(&self, dependency: Dependency) -> Option<bool> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&dependency).map(Result::is_ok)
    }

    /// All of it, for people.
    pub(crate) fn detail(&self) -> Value {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let described = states.iter().map(|(dependency, state)| {
            let state = match state {
                Ok(()) => json!({"ready": true}),
                Err(why) => json!({"ready": false, "why": why}),
            };
            (dependency.word().to_owned(), state)
        });
        Value::Object(described.collect())
    }
}
