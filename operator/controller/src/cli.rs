//! The command line.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use operator_core::Release;

use crate::{manifest, run};

/// Runs user services on Kubernetes from `UserService` resources.
#[derive(Parser)]
#[command(name = "userservice-operator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch the cluster and keep every `UserService` as described, until SIGTERM.
    Run {
        #[command(flatten)]
        release: ReleaseArgs,
        /// Where health and metrics are served: /healthz, /readyz, /metrics.
        #[arg(long, env = "OPERATOR_ADMIN_ADDRESS", default_value = "[::]:8081")]
        admin_address: SocketAddr,
        /// Resources reconciled at the same time.
        #[arg(long, env = "OPERATOR_CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
        concurrency: u16,
    },
    /// Print the custom resource definition.
    Crd,
    /// Print the children that the operator would write for the resources in a file; needs no cluster.
    Render {
        /// Manifest with one or more `UserService` resources; - reads standard input.
        #[arg(short, long, value_name = "FILE")]
        filename: PathBuf,
        #[command(flatten)]
        release: ReleaseArgs,
    },
}

/// The service that resources without `spec.version` or `spec.image` get.
#[derive(Args)]
struct ReleaseArgs {
    /// Image repository of the user service.
    #[arg(
        long,
        env = "USER_SERVICE_IMAGE_REPOSITORY",
        default_value = "ghcr.io/usersvc/user-service"
    )]
    service_repository: String,
    /// Version, and image tag, of the user service that new resources are pinned to.
    #[arg(long, env = "USER_SERVICE_IMAGE_TAG", default_value = env!("CARGO_PKG_VERSION"))]
    service_version: String,
}

impl From<ReleaseArgs> for Release {
    fn from(args: ReleaseArgs) -> Self {
        Self {
            repository: args.service_repository,
            version: args.service_version,
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot print YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    #[error(transparent)]
    Run(#[from] run::Error),
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> Result<(), Error> {
    match Cli::parse().command {
        Command::Run {
            release,
            admin_address,
            concurrency,
        } => {
            run::run(run::Options {
                release: release.into(),
                admin_address,
                concurrency,
            })?;
        }
        Command::Crd => print(&serde_yaml::to_string(&operator_api::crd())?)?,
        Command::Render { filename, release } => {
            print(&manifest::render(&filename, &release.into())?)?;
        }
    }
    Ok(())
}

fn print(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}
