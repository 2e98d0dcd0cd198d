//! The command line.

use std::{
    io::{ErrorKind, Write},
    net::SocketAddr,
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use operator_commands::{
    CLOSED_PIPE, Completion, DiffArgs, ExplainArgs, Manual, ReferenceArgs, ReleaseArgs, RenderArgs,
    ValidateArgs, VerifyArgs,
};

use crate::{run, watching::Place};

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
        /// Where health and metrics are served: /healthz, /readyz, /metrics, and to loopback /loglevel.
        #[arg(long, env = "OPERATOR_ADMIN_ADDRESS", default_value = "[::]:8081")]
        admin_address: SocketAddr,
        /// Resources reconciled at the same time.
        #[arg(long, env = "OPERATOR_CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
        concurrency: u16,
        /// Work in this namespace alone, or in these, if given more than once. Absent: in all of them.
        #[arg(
            long = "watch-namespace",
            value_name = "NAMESPACE",
            env = "OPERATOR_WATCH_NAMESPACES",
            value_delimiter = ','
        )]
        watch_namespaces: Vec<String>,
    },
    /// Print the custom resource definition.
    Crd,
    Reference(ReferenceArgs),
    Render(RenderArgs),
    Validate(ValidateArgs),
    Explain(ExplainArgs),
    Diff(DiffArgs),
    Verify(VerifyArgs),
    Completion(Completion),
    #[command(name = "man")]
    Manual(Manual),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Commands(#[from] operator_commands::Error),
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot print YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    #[error(transparent)]
    Run(#[from] run::Error),
}

impl Error {
    /// Whether whoever reads the answer has closed it.
    fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Commands(error) => error.is_closed_pipe(),
            Self::Output(error) => error.kind() == ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

/// Parses the command line, does what it says, and answers with the exit code: 1 on failure, and 2
/// for the commands whose 1 has a meaning.
pub(crate) fn main() -> ExitCode {
    let command = Cli::parse().command;
    let failure = match &command {
        Command::Validate(_) | Command::Diff(_) => 2,
        _ => 1,
    };
    execute(command).unwrap_or_else(|error| {
        if error.is_closed_pipe() {
            return ExitCode::from(CLOSED_PIPE);
        }
        eprintln!("error: {error}");
        ExitCode::from(failure)
    })
}

fn execute(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Run {
            release,
            admin_address,
            concurrency,
            watch_namespaces,
        } => run::run(run::Options {
            release: release.into(),
            admin_address,
            concurrency,
            places: Place::of(watch_namespaces.into_iter().collect()),
        })?,
        Command::Crd => print(&serde_yaml::to_string(&operator_api::crd())?)?,
        Command::Reference(reference) => reference.run()?,
        Command::Render(render) => render.run()?,
        Command::Validate(validate) => return Ok(validate.run()?.into()),
        Command::Explain(explain) => explain.run()?,
        Command::Diff(diff) => {
            let runtime = tokio::runtime::Runtime::new()?;
            return Ok(runtime.block_on(diff.run())?.into());
        }
        Command::Verify(verify) => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(verify.run())?;
        }
        Command::Completion(completion) => completion.run(Cli::command()),
        Command::Manual(manual) => manual.run(Cli::command())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}
