//! What the process tells about itself beside metrics: log lines, and what is sent to a collector.

pub(crate) mod log;
mod otlp;

pub(crate) use otlp::Otlp;
