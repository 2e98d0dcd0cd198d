//! Spans of calls to the database, in traces that are recorded.
//!
//! Names and attributes follow OpenTelemetry's semantic conventions for databases. No statement and no value is among
//! them: they hold what users wrote.

use std::time::Instant;

use opentelemetry::global;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::{
    DB_COLLECTION_NAME, DB_OPERATION_NAME, DB_RESPONSE_STATUS_CODE, DB_SYSTEM_NAME, ERROR_TYPE,
};
use user_application::RepositoryError;

use crate::DatabaseError;
use crate::documents::USERS;

/// What is done to the users.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// A transaction that inserts one, with its event.
    Insert,
    /// A transaction that changes one, with its event.
    Update,
    Find,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Find => "find",
        }
    }
}

/// The trace with a span for a call, which [`end`] ends; nothing if nobody records the trace.
pub(crate) fn begin(operation: Operation) -> Option<Context> {
    Context::map_current(|current| {
        if !current.span().span_context().is_sampled() {
            return None;
        }
        let name = operation.name();
        let span = SpanBuilder::from_name(format!("{name} {USERS}"))
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new(DB_SYSTEM_NAME, "mongodb"),
                KeyValue::new(DB_OPERATION_NAME, name),
                KeyValue::new(DB_COLLECTION_NAME, USERS),
            ]);
        let tracer = global::tracer(env!("CARGO_PKG_NAME"));
        Some(current.with_span(tracer.build_with_context(span, current)))
    })
}

/// Ends the span of a call with what became of it. What is told first counts: of work that its caller waited for in vain,
/// that its time was up; of work whose caller went away before that, how it ended.
///
/// An answer that refuses what was asked, such as that the address is taken, is what the database is there for and no
/// error.
pub(crate) fn end<T>(trace: &Context, outcome: &Result<T, RepositoryError>) {
    let span = trace.span();
    if !span.is_recording() {
        return;
    }
    if let Err(RepositoryError::Unavailable(error)) = outcome {
        let error = error.downcast_ref::<DatabaseError>();
        let kind = error.map_or("other".into(), DatabaseError::kind);
        if let Some(DatabaseError::Refused { .. }) = error {
            span.set_attribute(KeyValue::new(DB_RESPONSE_STATUS_CODE, kind.clone()));
        }
        span.set_attribute(KeyValue::new(ERROR_TYPE, kind));
        span.set_status(Status::error(""));
    }
    span.end();
}

/// Somebody waits for a call. Whoever keeps deadlines drops it at its own, and does not ask how it ended.
pub(crate) struct Waits<'a> {
    trace: &'a Context,
    deadline: Instant,
}

impl<'a> Waits<'a> {
    pub(crate) const fn new(trace: &'a Context, deadline: Instant) -> Self {
        Self { trace, deadline }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if Instant::now() >= self.deadline {
            let late = DatabaseError::TimedOut.into();
            end(self.trace, &Err::<(), _>(late));
        }
    }
}

#[cfg(test)]
mod tests;
