//! The contract between operator and service: settings, ports, names, exit codes.
//!
//! The operator builds a [`Settings`] and renders it with [`Settings::to_vars`]; the service parses the same type back
//! with [`Settings::from_vars`]. Neither side writes a variable name, a port or a metric name by hand.
//!
//! Nothing here does I/O: reading the environment is left to the composition root.

pub mod bounds;
mod error;
mod infrastructure;
mod settings;
mod table;
mod telemetry;
mod tls;

use std::time::Duration;

pub use bounds::Bounds;
pub use error::SettingError;
pub use infrastructure::{
    KAFKA_CREDENTIALS_DIRECTORY, Kafka, MONGODB_URI_FILE, Mongodb, Outbox, ReadPreference,
    SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY, SaslMechanism, SchemaIdLocation, SecurityProtocol,
};
pub use settings::{Events, Reflection, Server, Settings, Storage};
pub use table::{PREFIX, SettingDoc, reference};
pub use telemetry::{LogLevel, NoShare, OtlpMetrics, Share, Telemetry, is_otlp_endpoint};
pub use tls::{MAX_ALLOWED_CLIENTS, TLS_CLIENT_CA_FILE, TLS_DIRECTORY, Tls, TlsMode};

/// TCP port on which the service answers gRPC calls unless [`Settings::grpc_address`] says otherwise.
pub const GRPC_PORT: u16 = 8080;

/// TCP port of the plaintext admin listener (health, metrics, build information) unless [`Settings::admin_address`]
/// says otherwise. The kubelet's gRPC probes speak plaintext only, so probes go here even when the API port has TLS.
pub const ADMIN_PORT: u16 = 9090;

/// How long the service may take, after the drain, to flush what is left in the outbox and in telemetry.
///
/// A pod's termination grace period has to cover `drain_delay + drain_timeout + FLUSH_TIMEOUT`:
/// see [`Settings::shutdown_bound`].
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Service names of `grpc.health.v1.Health`.
pub mod health {
    /// On the admin port: `SERVING` while the process works. A liveness probe asks for it.
    pub const LIVENESS: &str = "liveness";
    /// On the admin port: `SERVING` from the end of the start-up checks until the drain begins. A readiness probe asks
    /// for it.
    pub const READINESS: &str = "readiness";
    /// On the gRPC port, beside `""` (the server as a whole): the user API.
    pub const API: &str = "user.v1.UserService";
}

/// HTTP paths of the admin listener.
pub mod path {
    /// Metrics in the `OpenMetrics` text format.
    pub const METRICS: &str = "/metrics";
    /// Whether calls are taken, 200 or 503, with how each dependency is, as JSON. For people: probes ask for
    /// [`health::READINESS`](super::health::READINESS).
    pub const READINESS: &str = "/readyz";
    /// Name and version of the running binary, as JSON.
    pub const BUILD_INFO: &str = "/buildinfo";
    /// The level of the log: GET tells it; PUT changes it until the process ends, and is answered to the machine or pod
    /// itself only.
    pub const LOG_LEVEL: &str = "/loglevel";
}

/// Event types, which are also the names of their topics. One topic and one schema for each.
pub mod event_type {
    /// A user came to be.
    pub const USER_CREATED: &str = "user.created";
    /// A user changed, or came back after being deleted.
    pub const USER_UPDATED: &str = "user.updated";
    /// A user was deleted.
    pub const USER_DELETED: &str = "user.deleted";
    /// Every event type.
    pub const ALL: [&str; 3] = [USER_CREATED, USER_UPDATED, USER_DELETED];
}

/// Exit codes of the service process.
pub mod exit_code {
    /// Stopped on request, everything drained and flushed in time.
    pub const OK: u8 = 0;
    /// Could not start or go on, for a reason outside the settings: a port is taken, a listener broke, a drain or flush
    /// did not end in time.
    pub const FAILURE: u8 = 1;
    /// The command line is wrong. `EX_USAGE` of `sysexits.h`.
    pub const USAGE: u8 = 64;
    /// A schema that this version cannot work with: of the database, or of an event at the registry. `EX_PROTOCOL` of
    /// `sysexits.h`.
    pub const SCHEMA: u8 = 76;
    /// The settings are wrong; starting again cannot help. `EX_CONFIG` of `sysexits.h`.
    pub const CONFIG: u8 = 78;
    /// A second signal ended the process at once: this plus the signal's number, as a shell reports it.
    pub const SIGNAL_BASE: u8 = 128;
}

/// Metric and label names that alerts, dashboards and autoscaling rely on, as Prometheus sees them.
pub mod metric {
    /// Histogram, seconds: how long the server took for each call (OpenTelemetry `rpc.server.call.duration`).
    pub const RPC_SERVER_CALL_DURATION: &str = "rpc_server_call_duration_seconds";
    /// Label: `package.Service/Method`, or [`OTHER_METHOD`].
    pub const RPC_METHOD: &str = "rpc_method";
    /// Label: canonical gRPC status name such as `OK` or `ALREADY_EXISTS`.
    pub const RPC_RESPONSE_STATUS_CODE: &str = "rpc_response_status_code";
    /// Value of [`RPC_METHOD`] for every method the server does not have, which keeps the label bounded.
    pub const OTHER_METHOD: &str = "_OTHER";
    /// Gauge that is always 1; its labels say which build runs.
    pub const BUILD_INFO: &str = "user_service_build_info";
    /// Gauge, Unix seconds: when the process started.
    pub const PROCESS_START_TIME: &str = "process_start_time_seconds";
    /// Counter: attempts to accept a connection that the system refused, mostly for want of file descriptors.
    pub const CONNECTIONS_REFUSED: &str = "connections_refused_total";
    /// Counter: TLS handshakes, by [`RESULT`]: `completed`, `failed`, `timed_out`.
    pub const TLS_HANDSHAKES: &str = "tls_handshakes_total";
    /// Counter: changed TLS files that were read, by [`RESULT`]: `completed`, or `failed` when the old ones stay in force.
    pub const TLS_RELOADS: &str = "tls_reloads_total";
    /// Gauge: 1 if the TLS files are as they are in force, 0 while they cannot be used.
    pub const TLS_LAST_RELOAD_SUCCESSFUL: &str = "tls_last_reload_successful";
    /// Gauge, Unix seconds: when the certificate in force expires; 0 without TLS.
    pub const TLS_CERTIFICATE_EXPIRY: &str = "tls_certificate_expiry_timestamp_seconds";
    /// Gauge: 1 if what the service works with can be used, by [`DEPENDENCY`].
    pub const DEPENDENCY_READY: &str = "dependency_ready";
    /// Counter: spans for the collector, by [`RESULT`]: `completed`, or `failed` when they are lost.
    pub const OTLP_SPANS: &str = "otlp_spans_total";
    /// Counter: values of metrics for the collector, by [`RESULT`]: `completed`, or `failed` when they are lost.
    pub const OTLP_METRIC_POINTS: &str = "otlp_metric_points_total";
    /// Gauge: connections to the database, by [`DB_CONNECTION_STATE`] (OpenTelemetry `db.client.connection.count`).
    pub const DB_CONNECTION_COUNT: &str = "db_client_connection_count";
    /// Label: `idle` or `used`.
    pub const DB_CONNECTION_STATE: &str = "db_client_connection_state";
    /// Gauge: calls that wait for a connection to the database.
    pub const DB_CONNECTION_PENDING_REQUESTS: &str = "db_client_connection_pending_requests";
    /// Counter: calls that got no connection to the database in time.
    pub const DB_CONNECTION_TIMEOUTS: &str = "db_client_connection_timeouts_total";
    /// Histogram, seconds: how long calls waited for a connection to the database.
    pub const DB_CONNECTION_WAIT_TIME: &str = "db_client_connection_wait_time_seconds";
    /// Gauge: users held by the embedded store.
    pub const USERS_STORED: &str = "users_stored";
    /// Gauge: events written and not yet acknowledged by the publisher.
    pub const OUTBOX_PENDING: &str = "outbox_pending";
    /// Counter: events published and marked so in the outbox.
    pub const OUTBOX_PUBLISHED: &str = "outbox_published_total";
    /// Counter: attempts to publish that failed and were retried, by [`REASON`].
    pub const OUTBOX_PUBLISH_FAILURES: &str = "outbox_publish_failures_total";
    /// Gauge, seconds: age of the oldest event that waits to be published.
    pub const OUTBOX_OLDEST_PENDING_AGE: &str = "outbox_oldest_pending_age_seconds";
    /// Histogram, seconds: from the write of an event to its acknowledgement by the broker.
    pub const OUTBOX_PUBLISH_DELAY: &str = "outbox_publish_delay_seconds";
    /// Counter: events given up and sent to the dead-letter topic, by [`REASON`].
    pub const OUTBOX_DEAD_LETTERS: &str = "outbox_dead_letters_total";
    /// Gauge: 1 while this process holds the relay's lease.
    pub const OUTBOX_RELAY_ACTIVE: &str = "outbox_relay_active";
    /// Label: what the service works with: `database`, `schema_registry`, `kafka`, `relay`, `tls`, `otlp_spans`,
    /// `otlp_metrics`.
    pub const DEPENDENCY: &str = "dependency";
    /// Label: how it ended, a word from a fixed list.
    pub const RESULT: &str = "result";
    /// Label: why, a word from a fixed list.
    pub const REASON: &str = "reason";
}
