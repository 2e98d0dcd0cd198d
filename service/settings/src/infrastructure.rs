//! Settings of what stands outside the process: database, broker, schema registry.
//!
//! Secrets are never settings: a setting names the file that holds one, so that no environment, log or `ConfigMap` does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bounds;
use crate::settings::Choice;

/// Where the operator mounts the Secret with the database's connection string.
pub const MONGODB_URI_FILE: &str = "/etc/user-service/mongodb/uri";

/// Where the operator mounts the Secret with the broker's credentials: files `username`, `password`, `ca.crt`, `tls.crt`,
/// `tls.key`, as far as the security protocol needs them.
pub const KAFKA_CREDENTIALS_DIRECTORY: &str = "/etc/user-service/kafka";

/// Where the operator mounts the Secret with the registry's credentials: files `username`, `password`, `ca.crt`.
pub const SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY: &str = "/etc/user-service/schema-registry";

/// The database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mongodb {
    /// File that holds the connection string, `mongodb://` or `mongodb+srv://`.
    pub uri_file: PathBuf,
    /// Name of the database that holds all collections of the service.
    pub database: String,
    /// Most connections of this process; see [`bounds::MONGODB_MAX_POOL_SIZE`].
    pub max_pool_size: u32,
    /// Connections kept even when idle; see [`bounds::MONGODB_MIN_POOL_SIZE`].
    pub min_pool_size: u32,
    /// Which members answer reads that may be stale.
    pub read_preference: ReadPreference,
}

/// Which members of the replica set answer reads that may be stale (`MongoDB` read preference modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadPreference {
    /// The primary alone.
    Primary,
    /// The primary, or a secondary while there is none.
    PrimaryPreferred,
    /// A secondary, or the primary while there is none.
    SecondaryPreferred,
    /// Whichever answers fastest.
    Nearest,
}

/// The broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// Brokers to begin with, `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// How the connection is protected.
    pub security_protocol: SecurityProtocol,
    /// How we say who we are, where the protocol is one with SASL.
    pub sasl_mechanism: SaslMechanism,
    /// Folder with the credentials, see [`KAFKA_CREDENTIALS_DIRECTORY`].
    pub credentials_directory: PathBuf,
    /// What each topic's name begins with; empty for none.
    pub topic_prefix: String,
    /// Longest wait for an acknowledgement; see [`bounds::KAFKA_DELIVERY_TIMEOUT`].
    pub delivery_timeout: Duration,
    /// Base address of the schema registry's Confluent API; empty for no registry: then values are bare protobuf.
    pub schema_registry_url: String,
    /// Folder with the registry's credentials, see [`SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY`].
    pub schema_registry_credentials_directory: PathBuf,
    /// Where a record carries the identifier of its schema.
    pub schema_id: SchemaIdLocation,
}

/// How the connection to the broker is protected (Kafka's `security.protocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// Not at all.
    Plaintext,
    /// TLS; with `tls.crt` and `tls.key` beside the CA, mutual.
    Ssl,
    /// TLS, and SASL with user name and password.
    SaslSsl,
}

/// How we say who we are to the broker (Kafka's `sasl.mechanism`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SaslMechanism {
    /// Salted challenge and response with SHA-512 (RFC 5802).
    ScramSha512,
    /// Salted challenge and response with SHA-256.
    ScramSha256,
    /// User name and password as they are.
    Plain,
}

/// Where a record carries the identifier of its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaIdLocation {
    /// Before the value, in Confluent's frame, as every consumer reads it.
    Prefix,
    /// In the header `__value_schema_id`; the value is bare protobuf.
    Header,
}

/// From the database to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// How long a published event is kept; see [`bounds::OUTBOX_RETENTION`].
    pub retention: Duration,
}

impl Kafka {
    /// Topic of an event type, such as `user.created`.
    pub fn topic(&self, event_type: &str) -> String {
        format!("{}{event_type}", self.topic_prefix)
    }

    /// Topic for those events of a topic that could not be published.
    pub fn dead_letter_topic(&self, event_type: &str) -> String {
        format!("{}{event_type}.dlq", self.topic_prefix)
    }
}

impl Default for Mongodb {
    fn default() -> Self {
        Self {
            uri_file: Path::new(MONGODB_URI_FILE).to_owned(),
            database: "users".to_owned(),
            max_pool_size: bounds::MONGODB_MAX_POOL_SIZE.default,
            min_pool_size: bounds::MONGODB_MIN_POOL_SIZE.default,
            read_preference: ReadPreference::Primary,
        }
    }
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: String::new(),
            security_protocol: SecurityProtocol::Plaintext,
            sasl_mechanism: SaslMechanism::ScramSha512,
            credentials_directory: Path::new(KAFKA_CREDENTIALS_DIRECTORY).to_owned(),
            topic_prefix: String::new(),
            delivery_timeout: bounds::KAFKA_DELIVERY_TIMEOUT.default,
            schema_registry_url: String::new(),
            schema_registry_credentials_directory: Path::new(SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY)
                .to_owned(),
            schema_id: SchemaIdLocation::Prefix,
        }
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            retention: bounds::OUTBOX_RETENTION.default,
        }
    }
}

impl Choice for ReadPreference {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("primary", Self::Primary),
        ("primaryPreferred", Self::PrimaryPreferred),
        ("secondaryPreferred", Self::SecondaryPreferred),
        ("nearest", Self::Nearest),
    ];
}

impl Choice for SecurityProtocol {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("PLAINTEXT", Self::Plaintext),
        ("SSL", Self::Ssl),
        ("SASL_SSL", Self::SaslSsl),
    ];
}

impl Choice for SaslMechanism {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("SCRAM-SHA-512", Self::ScramSha512),
        ("SCRAM-SHA-256", Self::ScramSha256),
        ("PLAIN", Self::Plain),
    ];
}

impl Choice for SchemaIdLocation {
    const WORDS: &'static [(&'static str, Self)] =
        &[("prefix", Self::Prefix), ("header", Self::Header)];
}

macro_rules! words {
    ($($choice:ty: $what:literal)+) => {
        $(impl $choice {
            #[doc = $what]
            pub fn as_str(self) -> &'static str {
                self.word()
            }
        })+
    };
}

words! {
    ReadPreference: "The mode as `MongoDB` writes it."
    SecurityProtocol: "The protocol as Kafka writes it."
    SaslMechanism: "The mechanism as Kafka writes it."
    SchemaIdLocation: "The word for this location, as the variable holds it."
}
