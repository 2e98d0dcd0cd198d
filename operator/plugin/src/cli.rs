//! The command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use k8s_openapi::jiff::SignedDuration;
use operator_commands::{
    CLOSED_PIPE, Completion, ConnectionArgs, DiffReleaseArgs, Format, Manual, live_diff,
};

use crate::{
    error::Error,
    history,
    kubectl::Kubectl,
    logs::{self, LogsArgs},
    report, status, topics, work,
};

/// Look at user services and work on them. The exit code is 0, for diff 1 where something differs,
/// and above that on failure; dlq has that of kubectl exec.
#[derive(Parser)]
#[command(
    name = "kubectl-userservice",
    bin_name = "kubectl userservice",
    version
)]
struct Cli {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the resource, its conditions, its children and its pods with their reasons, as a tree.
    Status {
        /// Name of the resource; all of the namespace if absent.
        name: Option<String>,
        /// Show it again whenever it changes, until interrupted.
        #[arg(short, long)]
        watch: bool,
        /// How the answer is printed.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Show what the operator would write or delete right now: nothing when all is in place.
    Diff {
        /// Name of the resource.
        name: String,
        /// How the answer is printed.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
        #[command(flatten)]
        release: DiffReleaseArgs,
    },
    /// Replace the pods one after the other; no call is cut.
    Restart {
        /// Name of the resource.
        name: String,
    },
    /// List what the pods ran, the latest first; a star marks what they run.
    History {
        /// Name of the resource.
        name: String,
        /// How the answer is printed.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Go back to what the pods ran before: sets version, image, storage, events, server, tls,
    /// telemetry and pod of the spec to what they were. Replicas, topics and Secrets stay as they are.
    Rollback {
        /// Name of the resource.
        name: String,
        /// Number of the revision, by `history` [default: the one before the current].
        #[arg(long, value_name = "REVISION")]
        to: Option<i64>,
    },
    /// Leave everything as it is until it is resumed: nothing but the status is written.
    Pause {
        /// Name of the resource.
        name: String,
        /// Ends by itself after this time, such as 90m or 2h [default: when it is resumed].
        #[arg(long = "for", value_name = "DURATION")]
        duration: Option<SignedDuration>,
        /// Why, for whoever finds it paused; shown in the status.
        #[arg(long)]
        reason: Option<String>,
    },
    /// End a pause.
    Resume {
        /// Name of the resource.
        name: String,
    },
    /// Set the number of pods.
    Scale {
        /// Name of the resource.
        name: String,
        /// Pods, 0 to 100.
        #[arg(long, value_parser = clap::value_parser!(i32).range(0..=100))]
        replicas: i32,
    },
    /// Show the logs of all pods, each line with its pod and container.
    Logs {
        /// Name of the resource.
        name: String,
        #[command(flatten)]
        wanted: LogsArgs,
    },
    /// List the topics as described, and which of them the resource created. Kafka is not asked.
    Topics {
        /// Name of the resource.
        name: String,
        /// How the answer is printed.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// List, redrive or discard the events that were given up: user-service dlq in one of the pods
    /// (kubectl exec), such as `dlq users list` or `dlq users redrive --all`. Options of the connection
    /// stand before `dlq`: what follows the name goes to the service.
    Dlq {
        /// Name of the resource.
        name: String,
        /// What is given to `user-service dlq`.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write what is needed to help into a tar file: the resource, children, pods, events and logs,
    /// without Secrets, credentials and e-mail addresses.
    Report {
        /// Name of the resource.
        name: String,
        /// The file to write [default: userservice-report-NAME.tar].
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    Completion(Completion),
    #[command(name = "man")]
    Manual(Manual),
}

pub(crate) async fn main() -> ExitCode {
    let cli = Cli::parse();
    execute(cli).await.unwrap_or_else(|error| {
        if error.is_closed_pipe() {
            return ExitCode::from(CLOSED_PIPE);
        }
        // kubectl has told its failure itself.
        if !matches!(error, Error::KubectlFailed(_)) {
            eprintln!("error: {error}");
        }
        error.exit_code()
    })
}

async fn execute(cli: Cli) -> Result<ExitCode, Error> {
    let command = match cli.command {
        Command::Completion(completion) => {
            completion.run(Cli::command());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Manual(manual) => {
            manual.run(Cli::command())?;
            return Ok(ExitCode::SUCCESS);
        }
        command => command,
    };
    let connected = cli.connection.connect().await;
    let connection = connected.map_err(operator_commands::Error::from)?;
    let kubectl = Kubectl::new(&cli.connection, &connection.namespace);
    match command {
        Command::Status {
            name,
            watch,
            output,
        } => {
            let name = name.as_deref();
            if watch {
                status::watch(&connection, name, output).await?;
            } else {
                status::show(&connection, name, output).await?;
            }
        }
        Command::Diff {
            name,
            output,
            release,
        } => {
            return Ok(live_diff(&connection, &name, &release, output)
                .await?
                .into());
        }
        Command::Restart { name } => work::restart(&connection, &name).await?,
        Command::History { name, output } => history::show(&connection, &name, output).await?,
        Command::Rollback { name, to } => history::rollback(&connection, &name, to).await?,
        Command::Pause {
            name,
            duration,
            reason,
        } => work::pause(&connection, &name, duration, reason).await?,
        Command::Resume { name } => work::resume(&connection, &name).await?,
        Command::Scale { name, replicas } => work::scale(&connection, &name, replicas).await?,
        Command::Logs { name, wanted } => logs::show(&connection, &name, &wanted).await?,
        Command::Topics { name, output } => topics::show(&connection, &name, output).await?,
        Command::Dlq { name, arguments } => {
            let pod = work::running_pod(&connection, &name).await?;
            kubectl.dlq(&pod, &arguments)?;
        }
        Command::Report { name, file } => report::write(&connection, &name, file).await?,
        Command::Completion(_) | Command::Manual(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use operator_commands::Outcome;
    use serde_json::json;

    use super::*;
    use crate::testing::{NOTHING, answer, connection};

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[tokio::test]
    async fn for_what_is_being_deleted_nothing_is_made_anew() {
        let cli = Cli::try_parse_from(["kubectl-userservice", "diff", "users"]).unwrap();
        let Command::Diff { name, release, .. } = cli.command else {
            panic!("diff was asked for");
        };
        let resource = json!({
            "apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService", "spec": {},
            "metadata": {
                "name": "users", "namespace": "team-a", "uid": "uid-of-users",
                "deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["usersvc.dev/topics"],
            },
        });
        let connection = connection(move |request| {
            let is_list = !request.uri().path().ends_with("/users");
            answer(if is_list { &NOTHING } else { &resource })
        });
        let outcome = live_diff(&connection, &name, &release, Format::Text).await;
        assert_eq!(outcome.unwrap(), Outcome::Clean);
    }
}
