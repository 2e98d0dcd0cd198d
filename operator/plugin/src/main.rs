//! `kubectl userservice`: looks at user services and works on them.
//!
//! It has the rights of whoever runs it and says which one is missing. Running a command in a pod
//! is left to the kubectl that called it.

mod cli;
mod error;
mod history;
mod kubectl;
mod logs;
mod pods;
mod redact;
mod report;
mod status;
#[cfg(test)]
mod testing;
mod topics;
mod tree;
mod watch;
mod work;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main().await
}
