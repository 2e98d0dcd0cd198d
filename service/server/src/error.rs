//! Why the service could not start or go on.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use user_adapter_kafka::{ConfigError, SchemaError as EventSchemaError};
use user_adapter_mongodb::{ConnectError, SchemaError as DatabaseSchemaError};
use user_settings::exit_code;

use crate::TlsError;

/// The errors of the composition root.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A listener's address cannot be taken, mostly because another process has it.
    #[error("cannot listen on {address} for {listener}: {source}")]
    Listen {
        /// What it is for: `gRPC` or `admin`.
        listener: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The runtime or the signal handlers could not be set up.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// Spans or metrics cannot be sent to where the settings say.
    #[error("nothing can be sent to the collector: {0}")]
    Otlp(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The descriptors compiled into the binary cannot be read: a defect of the build.
    #[error("the API descriptors cannot be read: {0}")]
    Descriptors(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A task that lasts as long as the service ended before it.
    #[error("the {task} task ended unexpectedly")]
    TaskEnded {
        /// Which one.
        task: &'static str,
    },
    /// A file that holds a secret cannot be read. Its content is never told.
    #[error("cannot read {}: {source}", path.display())]
    Secret {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The files for TLS on the gRPC port cannot be used.
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] TlsError),
    /// The database's connection string cannot be used.
    #[error("the database cannot be used: {0}")]
    Database(#[from] ConnectError),
    /// The database's schema does not suit this version.
    #[error("the database's schema does not suit this version: {0}")]
    Schema(#[source] DatabaseSchemaError),
    /// The settings or credentials for Kafka or the schema registry cannot be used.
    #[error("Kafka cannot be used: {0}")]
    Kafka(#[from] ConfigError),
    /// An event's schema is not registered or does not fit.
    #[error("an event's schema does not suit: {0}")]
    EventSchema(#[source] EventSchemaError),
}

impl ServiceError {
    /// What the process ends with.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Listen { .. }
            | Self::Start(_)
            | Self::Descriptors(_)
            | Self::TaskEnded { .. }
            | Self::Database(ConnectError::Lookup) => exit_code::FAILURE,
            Self::Secret { .. }
            | Self::Tls(_)
            | Self::Database(_)
            | Self::Kafka(_)
            | Self::Otlp(_)
            | Self::EventSchema(EventSchemaError::Refused { .. }) => exit_code::CONFIG,
            Self::Schema(_) | Self::EventSchema(_) => exit_code::SCHEMA,
        }
    }
}

/// What an error goes back to; the error itself if it has no cause.
pub(crate) fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}
