//! Logs on standard error: lines for people on a terminal, JSON elsewhere.

use std::{
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::ParseError, fmt, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

/// Of its libraries' own accounts only what is wrong, unless asked for: each pass connects anew.
const LIBRARIES: &str = "krafka=warn";
const DEFAULT: &str = "info";

/// Why the level stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no filter of a log: {0}")]
    Filter(#[from] ParseError),
    #[error("there is no log: {0}")]
    NoLog(#[from] reload::Error),
}

/// What is written to the log, which can be changed while it is written.
#[derive(Clone)]
pub(crate) struct LogLevel {
    asked: Arc<Mutex<String>>,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogLevel {
    /// The level, and the layer in which it counts.
    pub(crate) fn new(asked: &str) -> (Self, reload::Layer<EnvFilter, Registry>) {
        let asked = or_default(asked);
        let (asked, filter) = filter(asked).map_or_else(
            |_| (DEFAULT, EnvFilter::new(format!("{LIBRARIES},{DEFAULT}"))),
            |filter| (asked, filter),
        );
        let (layer, handle) = reload::Layer::new(filter);
        let level = Self {
            asked: Arc::new(Mutex::new(asked.to_owned())),
            filter: handle,
        };
        (level, layer)
    }

    pub(crate) fn get(&self) -> String {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// Writes what the filter says from now on; what is there by default if it is empty.
    pub(crate) fn set(&self, asked: &str) -> Result<(), Error> {
        let asked = or_default(asked);
        let filter = filter(asked)?;
        let mut now = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        self.filter.reload(filter)?;
        asked.clone_into(&mut now);
        Ok(())
    }
}

fn or_default(asked: &str) -> &str {
    if asked.is_empty() { DEFAULT } else { asked }
}

fn filter(asked: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{LIBRARIES},{asked}"))
}

/// Installs the subscriber. The level comes from `RUST_LOG`, `info` by default.
pub(crate) fn install() -> LogLevel {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let (level, filter) = LogLevel::new(&asked);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if std::io::stderr().is_terminal() {
        lines.boxed()
    } else {
        let lines = lines.json().flatten_event(true).with_current_span(false);
        lines.boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    level
}
