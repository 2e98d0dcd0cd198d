//! Logs on standard error: lines for people on a terminal, JSON elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Of its libraries' own accounts only what is wrong, unless asked for: each pass connects anew.
const LIBRARIES: &str = "krafka=warn";

/// Installs the subscriber. The level comes from `RUST_LOG`, `info` by default.
pub(crate) fn install() {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let level = if asked.is_empty() { "info" } else { &asked };
    let filter = EnvFilter::try_new(format!("{LIBRARIES},{level}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{LIBRARIES},info")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .init();
    }
}
