//! The broker and the schema registry: how they are reached, and waited for.

use std::time::Duration;

use user_adapter_kafka::{
    Framing, KafkaOptions, ProducerObserver, ProducerStatistics, RegistryOptions, SchemaRegistry,
    Topics,
};
use user_settings::{Kafka, SchemaIdLocation};

use crate::database::RETRY;
use crate::metrics::ProducerMetrics;
use crate::telemetry::{Dependency, Event, Journal};
use crate::{ServiceError, build};

/// How long the registry may take for one answer.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the files with the brokers' credentials are read: a few kilobytes from memory where Secrets are mounted.
pub(crate) const RELOAD_EVERY: Duration = Duration::from_secs(1);

/// What the publisher is told. The client is called like the pod, which is the host's name in a container.
pub(crate) fn options(kafka: &Kafka) -> KafkaOptions {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| build::NAME.to_owned());
    KafkaOptions::new(kafka, host)
}

/// The registry, if there is one.
///
/// # Errors
/// Its credentials cannot be read.
pub(crate) fn registry(kafka: &Kafka) -> Result<Option<SchemaRegistry>, ServiceError> {
    if kafka.schema_registry_url.is_empty() {
        return Ok(None);
    }
    let registry = SchemaRegistry::new(&RegistryOptions {
        url: kafka.schema_registry_url.clone(),
        credentials_directory: kafka.schema_registry_credentials_directory.clone(),
        timeout: REGISTRY_TIMEOUT,
    })?;
    Ok(Some(registry))
}

/// How values say which schema they were written by. What the registry said once is kept for the life of the process.
///
/// # Errors
/// A schema of this version is not registered, or does not fit what is. An outage is waited out; that it ends may take
/// changed credentials, so they are read for each attempt.
pub(crate) async fn wait_for_schemas(
    kafka: &Kafka,
    topics: &Topics,
    journal: &Journal,
) -> Result<Framing, ServiceError> {
    loop {
        let Some(registry) = registry(kafka)? else {
            return Ok(Framing::Bare);
        };
        match registry.resolve(topics).await {
            Ok(ids) => {
                journal.heard(Dependency::SchemaRegistry, Ok(()));
                return Ok(match kafka.schema_id {
                    SchemaIdLocation::Prefix => Framing::Prefix(ids),
                    SchemaIdLocation::Header => Framing::Header(ids),
                });
            }
            Err(error) if error.is_transient() => {
                journal.tell(Event::Waiting(Dependency::SchemaRegistry, &error, RETRY));
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(ServiceError::EventSchema(error)),
        }
    }
}

/// Why records are not acknowledged that are not to blame for it. Whether there is a connection says less: without
/// records there need be none.
const OUTAGES: [&str; 6] = [
    "authentication",
    "authorization",
    "connection",
    "fatal",
    "timed_out",
    "too_few_replicas",
];

/// Hears how publishing goes.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    pub(crate) metrics: ProducerMetrics,
    pub(crate) journal: Journal,
}

impl ProducerObserver for Observer {
    fn delivered(&self, event_type: &'static str, took: Duration) {
        self.metrics.delivered(event_type, took);
        self.journal.heard(Dependency::Kafka, Ok(()));
    }

    fn failed(&self, class: &'static str) {
        self.metrics.failed(class);
        if OUTAGES.contains(&class) {
            self.journal.heard(Dependency::Kafka, Err(class));
        }
    }

    fn statistics(&self, statistics: &ProducerStatistics) {
        self.metrics.statistics(statistics);
    }

    fn replaced(&self, reason: &str) {
        self.journal.tell(Event::ProducerReplaced(reason));
    }

    fn reloaded(&self, in_force: bool) {
        self.metrics.reloaded(in_force);
    }
}

#[cfg(test)]
mod tests {
    use user_adapter_kafka::FAILURES;

    use super::*;

    #[test]
    fn an_outage_is_one_of_the_words_that_the_producer_says() {
        assert!(OUTAGES.iter().all(|word| FAILURES.contains(word)));
    }
}
