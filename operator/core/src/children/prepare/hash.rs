//! What a preparation is known by.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use user_settings::{Settings, Storage};

use super::has_registry;
use crate::{children::config_map, hash::short_hash};

/// What each hash begins with, as settings of the first operator that made one. It says nothing of what
/// is prepared, and is no setting any more: it stays as it is whatever settings there are and what they
/// are by default, since with another hash all that runs would be prepared anew.
const OF_ALL: [(&str, &str); 12] = [
    ("USERSVC_ADMIN_ADDRESS", "[::]:9090"),
    ("USERSVC_DRAIN_DELAY", "1s"),
    ("USERSVC_DRAIN_TIMEOUT", "20s"),
    (EVENTS, "stdout"),
    ("USERSVC_GRPC_ADDRESS", "[::]:8080"),
    ("USERSVC_LOG_LEVEL", "info"),
    ("USERSVC_MAX_CONCURRENT_CALLS", "1024"),
    ("USERSVC_MAX_CONCURRENT_STREAMS", "256"),
    ("USERSVC_MAX_CONNECTION_AGE", "30m"),
    ("USERSVC_PURGE_DELAY", "30days"),
    ("USERSVC_REQUEST_TIMEOUT", "5s"),
    (STORAGE, "memory"),
];
/// The same for each with a database.
const OF_DATABASE: [(&str, &str); 6] = [
    (STORAGE, "mongodb"),
    ("USERSVC_MONGODB_MAX_POOL_SIZE", "64"),
    ("USERSVC_MONGODB_MIN_POOL_SIZE", "8"),
    ("USERSVC_MONGODB_READ_PREFERENCE", "primary"),
    ("USERSVC_MONGODB_URI_FILE", "/etc/user-service/mongodb/uri"),
    ("USERSVC_OUTBOX_RETENTION", "1h"),
];
/// The same for each with a registry.
const OF_REGISTRY: [(&str, &str); 8] = [
    (EVENTS, "kafka"),
    ("USERSVC_KAFKA_BOOTSTRAP_SERVERS", ""),
    (
        "USERSVC_KAFKA_CREDENTIALS_DIRECTORY",
        "/etc/user-service/kafka",
    ),
    ("USERSVC_KAFKA_DELIVERY_TIMEOUT", "8s"),
    ("USERSVC_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
    ("USERSVC_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"),
    ("USERSVC_SCHEMA_ID_LOCATION", "prefix"),
    (
        "USERSVC_SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY",
        "/etc/user-service/schema-registry",
    ),
];
const STORAGE: &str = "USERSVC_STORAGE";
const EVENTS: &str = "USERSVC_EVENTS";

/// The hash of a preparation by this image.
pub(super) fn of(settings: &Settings, image: &str, secrets_hash: Option<&str>) -> String {
    let mut text = BTreeMap::from(OF_ALL);
    if settings.storage == Storage::Mongodb {
        text.extend(OF_DATABASE);
        text.insert("USERSVC_MONGODB_DATABASE", &settings.mongodb.database);
    }
    if has_registry(settings) {
        let kafka = &settings.kafka;
        text.extend(OF_REGISTRY);
        text.insert("USERSVC_KAFKA_TOPIC_PREFIX", &kafka.topic_prefix);
        text.insert("USERSVC_SCHEMA_REGISTRY_URL", &kafka.schema_registry_url);
    }
    let mut hasher = Sha256::new();
    config_map::add(&text, &mut hasher);
    for part in [image, secrets_hash.unwrap_or_default()] {
        hasher.update([0]);
        hasher.update(part);
    }
    short_hash(&hasher.finalize())
}
