//! The command line: what it shows, and how the process ends.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use user_settings::{Settings, exit_code, reference};

use crate::commands::{self, Command};
use crate::error::innermost;
use crate::lifecycle::{Service, Stopped};
use crate::signals::Signals;
use crate::telemetry::log;
use crate::workers::Workers;
use crate::{ServiceError, build, config, descriptors};

/// gRPC user service: creates users, finds them again and changes them (user.v1.UserService).
///
/// Without a command it serves. Everything is set by environment variables, and without any it serves with users in
/// memory and events on standard output.
#[derive(Debug, Parser)]
#[command(name = build::NAME, version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

/// Runs the binary.
pub fn main() -> ExitCode {
    let parsed = Arguments::command()
        .after_help(settings_table())
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() {
                exit_code::USAGE
            } else {
                exit_code::OK
            };
            // Nothing is left to do when even the message cannot be written.
            let _ = error.print();
            return code.into();
        }
    };
    let settings = match config::from_environment() {
        Ok(settings) => settings,
        Err(problems) => {
            log::init(Settings::default().telemetry.log_level);
            for problem in problems {
                tracing::error!(%problem, "bad setting");
            }
            return exit_code::CONFIG.into();
        }
    };
    log::init(settings.telemetry.log_level);
    let code = match arguments.command {
        Some(command) => carry_out(command, &settings),
        None => match serve(&settings) {
            Ok(Stopped::Clean) => exit_code::OK,
            Ok(Stopped::CutShort) => exit_code::FAILURE,
            Err(error) => {
                tracing::error!(%error, cause = %innermost(&error), "stopped");
                error.exit_code()
            }
        },
    };
    code.into()
}

fn carry_out(command: Command, settings: &Settings) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(command, settings)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => exit_code::OK,
        Err(error) => {
            tracing::error!(%error, cause = %innermost(&error), "failed");
            error.exit_code()
        }
    }
}

/// Serves until a signal asks to stop.
fn serve(settings: &Settings) -> Result<Stopped, ServiceError> {
    descriptors::raise_limit();
    let Workers { threads, source } = Workers::for_this_process();
    tracing::info!(threads, source, "worker threads");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let stopped = runtime.block_on(async {
        let signals = Signals::install()?;
        let service = Service::bind(settings)?;
        service.run(signals.first()).await
    });
    // What was cut must not hold the process up.
    runtime.shutdown_background();
    stopped
}

/// Every setting with its default, what it accepts and what it does.
fn settings_table() -> String {
    let mut text = "Environment variables:\n".to_owned();
    for row in reference() {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "  {}  [default: {}]\n      {}\n      Accepts {}.\n",
            row.name, row.default, row.doc, row.accepted
        );
    }
    let _ = write!(
        text,
        "\nExit codes: {} stopped on request; {} could not start or was cut short; {} bad arguments; {} a \
         schema that this version cannot work with; {} bad settings; {}+n \
         ended by signal n sent a second time.",
        exit_code::OK,
        exit_code::FAILURE,
        exit_code::USAGE,
        exit_code::SCHEMA,
        exit_code::CONFIG,
        exit_code::SIGNAL_BASE
    );
    text
}
