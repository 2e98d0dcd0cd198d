//! The log.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use user_settings::Telemetry;

/// The crates of this repository that say something.
const OURS: [&str; 6] = [
    "user_service",
    "user_adapter_grpc",
    "user_adapter_kafka",
    "user_adapter_memory",
    "user_adapter_mongodb",
    "user_adapter_stdout",
];

/// Sends the log to standard error: for people when that is a terminal, as JSON lines otherwise. The level counts for
/// this repository's crates; from libraries only warnings come through.
pub(crate) fn init(telemetry: &Telemetry) {
    let level = telemetry.log_level.as_str();
    let ours = OURS.map(|name| format!("{name}={level}")).join(",");
    let filter = EnvFilter::new(format!("warn,{ours}"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second call, as tests make it, keeps the first log.
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
