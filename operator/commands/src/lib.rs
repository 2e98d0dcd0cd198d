//! What people run on `UserService` manifests: `render`, `validate`, `explain` and `diff`; the
//! reference of their fields; and `verify`, the proof that an installation works.
//!
//! All of it is the same pure core that the operator plans with. `diff` and `verify` need a cluster.

mod connection;
mod diff;
mod explain;
mod generated;
mod manifest;
mod output;
mod reference;
mod release;
mod render;
mod validate;
mod verify;

use std::{io::ErrorKind, process::ExitCode};

pub use connection::{Connection, ConnectionArgs};
pub use diff::{DiffArgs, live_diff};
pub use explain::ExplainArgs;
pub use generated::{Completion, Manual};
pub use output::{Format, dim, paint, retention};
pub use reference::{ReferenceArgs, reference};
pub use release::{DiffReleaseArgs, ReleaseArgs};
pub use render::RenderArgs;
pub use validate::ValidateArgs;
pub use verify::VerifyArgs;

/// How a command that compares went, as `kubectl diff` has it; failures are above these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was found: 0.
    Clean,
    /// Something was: 1.
    Found,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Self::SUCCESS,
            Outcome::Found => Self::from(1),
        }
    }
}

/// Exit code where whoever reads the answer closed it early, as `head` does: what a shell tells of a program that
/// SIGPIPE ended. Nothing is printed then, and nothing is claimed of what was not printed.
pub const CLOSED_PIPE: u8 = 141;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// The cluster cannot be reached.
    #[error(transparent)]
    Connection(#[from] connection::Error),
    /// The cluster refused a request or did not answer.
    #[error("{}", cluster(.0))]
    Cluster(#[from] operator_cluster::Error),
    /// The operator does not do what it shall.
    #[error(transparent)]
    Verify(#[from] verify::Failure),
    /// The answer cannot be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
    /// The answer cannot be printed as YAML, which would be a bug.
    #[error("cannot print YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// The answer cannot be printed as JSON, which would be a bug.
    #[error("cannot print JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// Whether whoever reads the answer has closed it.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == ErrorKind::BrokenPipe)
    }
}

fn cluster(error: &operator_cluster::Error) -> String {
    match error.code() {
        Some(401) => format!("not logged in: {error}"),
        Some(403) => format!("a permission is missing: {error}"),
        _ => error.to_string(),
    }
}
