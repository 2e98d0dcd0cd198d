//! Every setting, in the order a reader wants them.

use super::{Kind, Setting, Text};
use crate::settings::Choice;
use crate::{
    Events, LogLevel, OtlpMetrics, ReadPreference, Reflection, SaslMechanism, SchemaIdLocation,
    SecurityProtocol, Settings, Storage, TlsMode, bounds, telemetry, tls,
};

pub(super) const GRPC_ADDRESS: &str = "USERSVC_GRPC_ADDRESS";
pub(super) const ADMIN_ADDRESS: &str = "USERSVC_ADMIN_ADDRESS";
pub(super) const TLS: &str = "USERSVC_TLS";
pub(super) const TLS_ALLOWED_CLIENTS: &str = "USERSVC_TLS_ALLOWED_CLIENTS";
pub(super) const KAFKA_BOOTSTRAP_SERVERS: &str = "USERSVC_KAFKA_BOOTSTRAP_SERVERS";

/// A setting that is one of a few words.
macro_rules! choice {
    ($choice:ty, |$settings:ident| $field:expr) => {
        Kind::Choice {
            read: |$settings| Choice::word($field),
            write: |$settings, text| {
                $field = Choice::parse(text)?;
                Some(())
            },
            accepted: <$choice as Choice>::accepted,
        }
    };
}

const ALWAYS: fn(&Settings) -> bool = |_| true;
const WITH_TLS: fn(&Settings) -> bool = |s| s.tls.mode != TlsMode::Off;
const WITH_MUTUAL_TLS: fn(&Settings) -> bool = |s| s.tls.mode == TlsMode::Mutual;
const WITH_MONGODB: fn(&Settings) -> bool = |s| s.storage == Storage::Mongodb;
const WITH_KAFKA: fn(&Settings) -> bool = |s| s.events == Events::Kafka;
const WITH_OTLP: fn(&Settings) -> bool = |s| s.telemetry.records();

const CLIENTS: Text = Text {
    is_accepted: tls::are_clients,
    accepted: "at most 64 DNS names or URIs, comma-separated; or nothing",
};
const DATABASE_NAME: Text = Text {
    is_accepted: |text| {
        (1..=38).contains(&text.len())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    },
    accepted: "1 to 38 letters, digits, '-' or '_'",
};
const BROKERS: Text = Text {
    is_accepted: |text| {
        text.len() <= 2048
            && text.split(',').all(|broker| {
                broker.trim().rsplit_once(':').is_some_and(|(host, port)| {
                    !host.is_empty()
                        && !host.contains('@')
                        && port.parse::<u16>().is_ok_and(|port| port > 0)
                })
            })
    },
    accepted: "host:port, comma-separated",
};
const TOPIC_PREFIX: Text = Text {
    is_accepted: |text| {
        text.len() <= 200
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    },
    accepted: "at most 200 letters, digits, '.', '-' or '_'; or nothing",
};
const URL: Text = Text {
    is_accepted: |text| {
        text.is_empty()
            || (text.len() <= 2048
                && !text.contains('@')
                && (text.starts_with("http://") || text.starts_with("https://")))
    },
    accepted: "an address that begins with http:// or https:// and holds no credentials; or nothing",
};

const COLLECTOR: Text = Text {
    is_accepted: |text| text.is_empty() || telemetry::is_otlp_endpoint(text),
    accepted: "http://host:port; or nothing",
};
const SERVICE_NAME: Text = Text {
    is_accepted: |text| {
        text.len() <= 253
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    },
    accepted: "at most 253 letters, digits, '.', '-' or '_'",
};

pub(super) const TABLE: &[Setting] = &[
    Setting {
        name: GRPC_ADDRESS,
        doc: "Where gRPC calls are answered. [::] takes IPv4 too, and becomes 0.0.0.0 where there is no IPv6.",
        kind: Kind::Address(|s| &mut s.grpc_address),
        applies: ALWAYS,
    },
    Setting {
        name: ADMIN_ADDRESS,
        doc: "Where health, metrics and build information are served in plaintext.",
        kind: Kind::Address(|s| &mut s.admin_address),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_REQUEST_TIMEOUT",
        doc: "Longest time spent on one call, even if the client allows more; then DEADLINE_EXCEEDED.",
        kind: Kind::Time(|s| &mut s.server.request_timeout, bounds::REQUEST_TIMEOUT),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_MAX_CONCURRENT_STREAMS",
        doc: "Calls that one connection may have in flight; further ones wait at the client.",
        kind: Kind::Count(
            |s| &mut s.server.max_concurrent_streams,
            bounds::MAX_CONCURRENT_STREAMS,
        ),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_MAX_CONCURRENT_CALLS",
        doc: "Calls in flight over all connections; further ones are refused at once with RESOURCE_EXHAUSTED.",
        kind: Kind::Count(
            |s| &mut s.server.max_concurrent_calls,
            bounds::MAX_CONCURRENT_CALLS,
        ),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_MAX_CONNECTION_AGE",
        doc: "After this long, give or take a tenth, a connection takes no more calls, so that its client makes a new one.",
        kind: Kind::Time(
            |s| &mut s.server.max_connection_age,
            bounds::MAX_CONNECTION_AGE,
        ),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_REFLECTION",
        doc: "Whether clients may ask for the descriptors of the API, as grpcurl does.",
        kind: choice!(Reflection, |s| s.server.reflection),
        applies: |s| s.server.reflection != Reflection::Enabled,
    },
    Setting {
        name: "USERSVC_DRAIN_DELAY",
        doc: "After SIGTERM NOT_SERVING is announced and calls are still taken this long, so that endpoints can catch up.",
        kind: Kind::Time(|s| &mut s.server.drain_delay, bounds::DRAIN_DELAY),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_DRAIN_TIMEOUT",
        doc: "After the delay no new connection is taken and calls in flight have this long to finish; then they are cut.",
        kind: Kind::Time(|s| &mut s.server.drain_timeout, bounds::DRAIN_TIMEOUT),
        applies: ALWAYS,
    },
    Setting {
        name: TLS,
        doc: "How connections to the gRPC port are protected. server: by TLS. mutual: by TLS, and clients show a certificate.",
        kind: choice!(TlsMode, |s| s.tls.mode),
        applies: WITH_TLS,
    },
    Setting {
        name: "USERSVC_TLS_CERTIFICATE_FILE",
        doc: "PEM file with the server's certificate and its chain, read again when it changes.",
        kind: Kind::Path(|s| &mut s.tls.certificate_file),
        applies: WITH_TLS,
    },
    Setting {
        name: "USERSVC_TLS_KEY_FILE",
        doc: "PEM file with the certificate's private key, read again when it changes.",
        kind: Kind::Path(|s| &mut s.tls.key_file),
        applies: WITH_TLS,
    },
    Setting {
        name: "USERSVC_TLS_CLIENT_CA_FILE",
        doc: "PEM file with the authorities that client certificates have to come from, read again when it changes.",
        kind: Kind::Path(|s| &mut s.tls.client_ca_file),
        applies: WITH_MUTUAL_TLS,
    },
    Setting {
        name: TLS_ALLOWED_CLIENTS,
        doc: "Subject alternative names of which a client's certificate needs one, with mutual TLS only; nothing: every client of the authorities.",
        kind: Kind::Text(|s| &mut s.tls.allowed_clients, CLIENTS),
        applies: WITH_MUTUAL_TLS,
    },
    Setting {
        name: "USERSVC_TLS_HANDSHAKE_TIMEOUT",
        doc: "Longest time for a TLS handshake; then the connection is closed.",
        kind: Kind::Time(
            |s| &mut s.tls.handshake_timeout,
            bounds::TLS_HANDSHAKE_TIMEOUT,
        ),
        applies: WITH_TLS,
    },
    Setting {
        name: "USERSVC_PURGE_DELAY",
        doc: "How long a deleted user can come back; then it is gone for good.",
        kind: Kind::Time(|s| &mut s.purge_delay, bounds::PURGE_DELAY),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_STORAGE",
        doc: "Where users are kept. memory: in the process, bounded, gone when it ends. mongodb: in a replica set.",
        kind: choice!(Storage, |s| s.storage),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_MONGODB_URI_FILE",
        doc: "File with the connection string of the database, mongodb:// or mongodb+srv://.",
        kind: Kind::Path(|s| &mut s.mongodb.uri_file),
        applies: WITH_MONGODB,
    },
    Setting {
        name: "USERSVC_MONGODB_DATABASE",
        doc: "Database that holds all collections of the service.",
        kind: Kind::Text(|s| &mut s.mongodb.database, DATABASE_NAME),
        applies: WITH_MONGODB,
    },
    Setting {
        name: "USERSVC_MONGODB_MAX_POOL_SIZE",
        doc: "Connections to the database at most; further calls wait for one within their deadline.",
        kind: Kind::Count(
            |s| &mut s.mongodb.max_pool_size,
            bounds::MONGODB_MAX_POOL_SIZE,
        ),
        applies: WITH_MONGODB,
    },
    Setting {
        name: "USERSVC_MONGODB_MIN_POOL_SIZE",
        doc: "Connections to the database that are opened at start and kept.",
        kind: Kind::Count(
            |s| &mut s.mongodb.min_pool_size,
            bounds::MONGODB_MIN_POOL_SIZE,
        ),
        applies: WITH_MONGODB,
    },
    Setting {
        name: "USERSVC_MONGODB_READ_PREFERENCE",
        doc: "Members of the replica set that answer reads which may be stale.",
        kind: choice!(ReadPreference, |s| s.mongodb.read_preference),
        applies: WITH_MONGODB,
    },
    Setting {
        name: "USERSVC_OUTBOX_RETENTION",
        doc: "How long a published event stays in the outbox; 0s removes it at once.",
        kind: Kind::Time(|s| &mut s.outbox.retention, bounds::OUTBOX_RETENTION),
        applies: WITH_MONGODB,
    },
    Setting {
        name: "USERSVC_EVENTS",
        doc: "Where events go. stdout: one JSON line each (CloudEvents attributes, no personal data). kafka: records.",
        kind: choice!(Events, |s| s.events),
        applies: ALWAYS,
    },
    Setting {
        name: KAFKA_BOOTSTRAP_SERVERS,
        doc: "Brokers to begin with.",
        kind: Kind::Text(|s| &mut s.kafka.bootstrap_servers, BROKERS),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_KAFKA_SECURITY_PROTOCOL",
        doc: "How the connection to the brokers is protected.",
        kind: choice!(SecurityProtocol, |s| s.kafka.security_protocol),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_KAFKA_SASL_MECHANISM",
        doc: "How we say who we are, with SASL_SSL.",
        kind: choice!(SaslMechanism, |s| s.kafka.sasl_mechanism),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_KAFKA_CREDENTIALS_DIRECTORY",
        doc: "Folder with the files username, password, ca.crt, tls.crt and tls.key, as far as the protocol needs them.",
        kind: Kind::Path(|s| &mut s.kafka.credentials_directory),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_KAFKA_TOPIC_PREFIX",
        doc: "What the name of each topic begins with.",
        kind: Kind::Text(|s| &mut s.kafka.topic_prefix, TOPIC_PREFIX),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_KAFKA_DELIVERY_TIMEOUT",
        doc: "Longest wait for the acknowledgement of a record; then it is tried again.",
        kind: Kind::Time(
            |s| &mut s.kafka.delivery_timeout,
            bounds::KAFKA_DELIVERY_TIMEOUT,
        ),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_SCHEMA_REGISTRY_URL",
        doc: "Confluent API of the schema registry; nothing: values are bare protobuf.",
        kind: Kind::Text(|s| &mut s.kafka.schema_registry_url, URL),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY",
        doc: "Folder with the files username, password and ca.crt for the registry, as far as it asks for them.",
        kind: Kind::Path(|s| &mut s.kafka.schema_registry_credentials_directory),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_SCHEMA_ID_LOCATION",
        doc: "Where a record carries the identifier of its schema.",
        kind: choice!(SchemaIdLocation, |s| s.kafka.schema_id),
        applies: WITH_KAFKA,
    },
    Setting {
        name: "USERSVC_LOG_LEVEL",
        doc: "Least severe level that is logged to standard error.",
        kind: choice!(LogLevel, |s| s.telemetry.log_level),
        applies: ALWAYS,
    },
    Setting {
        name: "USERSVC_OTLP_ENDPOINT",
        doc: "Collector that spans are sent to by OTLP over gRPC; nothing: none are made.",
        kind: Kind::Text(|s| &mut s.telemetry.otlp_endpoint, COLLECTOR),
        applies: WITH_OTLP,
    },
    Setting {
        name: "USERSVC_OTLP_METRICS",
        doc: "Whether metrics are sent to the collector too, every 15 s.",
        kind: choice!(OtlpMetrics, |s| s.telemetry.otlp_metrics),
        applies: |s| s.telemetry.sends_metrics(),
    },
    Setting {
        name: "USERSVC_TRACE_SAMPLING",
        doc: "How many of the calls whose client began no trace are traced; others follow their client's decision.",
        kind: Kind::Share(|s| &mut s.telemetry.sampling),
        applies: WITH_OTLP,
    },
    Setting {
        name: "USERSVC_SERVICE_NAME",
        doc: "What spans and sent metrics call the service (service.name).",
        kind: Kind::Text(|s| &mut s.telemetry.service_name, SERVICE_NAME),
        applies: WITH_OTLP,
    },
    Setting {
        name: "USERSVC_SERVICE_NAMESPACE",
        doc: "What that name is unique in (service.namespace); nothing: not told.",
        kind: Kind::Text(|s| &mut s.telemetry.service_namespace, SERVICE_NAME),
        applies: WITH_OTLP,
    },
];
