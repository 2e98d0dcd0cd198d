//! The broker and the schema registry: how they are reached, and waited for.

use std::time::Duration;

use user_adapter_kafka::{Framing, KafkaOptions, RegistryOptions, SchemaRegistry, Topics};
use user_settings::{Kafka, SchemaIdLocation};

use crate::database::RETRY;
use crate::error::innermost;
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
) -> Result<Framing, ServiceError> {
    loop {
        let Some(registry) = registry(kafka)? else {
            return Ok(Framing::Bare);
        };
        match registry.resolve(topics).await {
            Ok(ids) => {
                return Ok(match kafka.schema_id {
                    SchemaIdLocation::Prefix => Framing::Prefix(ids),
                    SchemaIdLocation::Header => Framing::Header(ids),
                });
            }
            Err(error) if error.is_transient() => {
                let cause = innermost(&error).to_string();
                tracing::warn!(%error, cause, retry_in = ?RETRY, "waiting for the schema registry");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(ServiceError::EventSchema(error)),
        }
    }
}
