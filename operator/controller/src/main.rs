//! `userservice-operator`: keeps what `UserService` resources describe.

mod admin;
mod backoff;
mod cli;
mod cluster;
mod manifest;
mod metrics;
mod reconcile;
mod run;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
