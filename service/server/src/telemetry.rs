//! What the process tells about itself: log lines, what happens, and what is sent to a collector.

mod dependencies;
mod events;
pub(crate) mod log;
mod otlp;

pub(crate) use dependencies::Dependency;
pub(crate) use events::{Event, Journal, date};
pub(crate) use otlp::Otlp;
