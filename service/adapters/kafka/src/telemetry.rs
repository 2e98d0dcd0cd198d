//! What this adapter tells: each event has its line in the log here, and beside it its word to whoever counts. Records that
//! were published or not are counted alone, by the observer.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::error::ConfigError;
use crate::observer::ProducerObserver;

/// Changed files with credentials are in force.
pub(crate) fn credentials_in_force(observer: &impl ProducerObserver) {
    observer.reloaded(true);
    tracing::info!("changed credentials of the brokers are in force");
}

/// They cannot be used.
pub(crate) fn credentials_refused(observer: &impl ProducerObserver, error: &ConfigError) {
    observer.reloaded(false);
    tracing::warn!(
        %error,
        "changed credentials of the brokers cannot be used, the old ones stay in force"
    );
}

/// A connection is in trouble, or all of them. What comes of it is counted with the records that fail.
pub(crate) fn trouble(error: &KafkaError, reason: &str) {
    tracing::warn!(%error, reason, "producer");
}

/// What the library says besides, as loud as it says it.
pub(crate) fn said(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(facility, "librdkafka: {text}"),
        RDKafkaLogLevel::Warning => tracing::warn!(facility, "librdkafka: {text}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(facility, "librdkafka: {text}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(facility, "librdkafka: {text}"),
    }
}
