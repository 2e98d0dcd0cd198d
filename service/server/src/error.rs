//! Why the service could not start or go on.

use std::io;
use std::net::SocketAddr;

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
    /// The descriptors compiled into the binary cannot be read: a defect of the build.
    #[error("the API descriptors cannot be read: {0}")]
    Descriptors(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A task that lasts as long as the service ended before it.
    #[error("the {task} task ended unexpectedly")]
    TaskEnded {
        /// Which one.
        task: &'static str,
    },
}
