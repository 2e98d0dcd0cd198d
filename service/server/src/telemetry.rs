//! What the process tells about itself beside metrics: log lines, and spans of calls.

pub(crate) mod log;
mod traces;

pub(crate) use traces::Traces;
