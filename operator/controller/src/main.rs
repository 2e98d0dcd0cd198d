//! `userservice-operator`: keeps what `UserService` resources describe.

mod admin;
mod backoff;
mod cli;
mod client;
mod cluster;
mod kafka;
mod leadership;
mod metrics;
mod queue;
mod reconcile;
mod run;
mod telemetry;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod testing;
mod watching;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
