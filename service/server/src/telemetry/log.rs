//! The log.

use std::fmt;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};
use user_settings::LogLevel;

/// The crates of this repository that say something.
const OURS: [&str; 6] = [
    "user_service",
    "user_adapter_grpc",
    "user_adapter_kafka",
    "user_adapter_memory",
    "user_adapter_mongodb",
    "user_adapter_stdout",
];

/// The log of this process, once there is one.
static LOG: Mutex<Option<Log>> = Mutex::new(None);

struct Log {
    level: LogLevel,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Sends the log to standard error: for people when that is a terminal, as JSON lines otherwise.
pub(crate) fn init(level: LogLevel) {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = lines::layer().with_writer(std::io::stderr);
    let lines = if std::io::stderr().is_terminal() {
        lines.boxed()
    } else {
        lines
            .fmt_fields(JsonFields::new())
            .event_format(InTrace(Format::default().json().flatten_event(true)))
            .boxed()
    };
    let log = tracing_subscriber::registry().with(filter).with(lines);
    // A second call, as tests make it, keeps the first log.
    if log.try_init().is_ok() {
        let log = Log {
            level,
            filter: handle,
        };
        *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some(log);
    }
}

/// From which level on lines are written, if there is a log.
pub(crate) fn level() -> Option<LogLevel> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.as_ref().map(|log| log.level)
}

/// Writes lines from this level on; whether there is a log to say it to.
pub(crate) fn set_level(level: LogLevel) -> bool {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(log) = log.as_mut() else {
        return false;
    };
    log.level = level;
    log.filter.reload(filter(level)).is_ok()
}

/// The level counts for this repository's crates; from libraries only warnings come through.
fn filter(level: LogLevel) -> EnvFilter {
    let level = level.as_str();
    let ours = OURS.map(|name| format!("{name}={level}")).join(",");
    EnvFilter::new(format!("warn,{ours}"))
}

/// Lines that name the trace they belong to, if there is one, as the fields `trace_id` and `span_id` of OpenTelemetry's
/// log data model.
struct InTrace(Format<Json>);

impl<S, N> FormatEvent<S, N> for InTrace
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let span = Context::map_current(|current| current.span().span_context().clone());
        if !span.is_valid() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let object = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        let (trace, span) = (span.trace_id(), span.span_id());
        writeln!(
            writer,
            r#"{object},"trace_id":"{trace}","span_id":"{span}"}}"#
        )
    }
}
