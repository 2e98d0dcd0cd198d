//! The user service.

use std::process::ExitCode;

fn main() -> ExitCode {
    user_service::cli::main()
}
