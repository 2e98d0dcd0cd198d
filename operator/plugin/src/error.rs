use std::{io::ErrorKind, process::ExitCode};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Commands(#[from] operator_commands::Error),
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot print JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot print YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    #[error("the watch broke: {0}")]
    Watch(#[from] Box<kube::runtime::watcher::Error>),
    #[error("cannot run kubectl: {0}")]
    Kubectl(std::io::Error),
    /// kubectl has said why.
    #[error("kubectl failed")]
    KubectlFailed(u8),
    /// Which and why was told where they would have been.
    #[error("logs that could not be read: {0}")]
    LogsUnread(usize),
    #[error("{0}: an autoscaler decides on the number of pods; change spec.autoscaling instead")]
    Autoscaled(String),
    #[error(
        "{0}: the Deployment of this name is not that of the UserService; see its condition Ready"
    )]
    NotOurs(String),
    #[error("{0}: no pod runs that the command could be given to")]
    NoPod(String),
    #[error("{name}: {} Recorded are: {there}", match wanted {
        Some(number) => format!("there is no revision {number}."),
        None => "there is no revision before the current one.".to_owned(),
    })]
    NoRevision {
        name: String,
        wanted: Option<i64>,
        there: String,
    },
    #[error("{name}: {violations}")]
    Invalid { name: String, violations: String },
    #[error("there is no UserService in namespace {0}")]
    Nothing(String),
}

impl From<operator_cluster::Error> for Error {
    fn from(error: operator_cluster::Error) -> Self {
        Self::Commands(error.into())
    }
}

impl Error {
    /// Whether whoever reads the answer has closed it.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == ErrorKind::BrokenPipe,
            Self::Commands(error) => error.is_closed_pipe(),
            _ => false,
        }
    }

    /// kubectl's own code where it failed, else 2: 1 means a difference.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::KubectlFailed(code) => ExitCode::from(*code),
            _ => ExitCode::from(2),
        }
    }
}
