//! Spans of calls to the database, in traces that are recorded.
//!
//! Names and attributes follow OpenTelemetry's semantic conventions for databases. No statement and no value is among
//! them: they hold what users wrote.

use opentelemetry::global;
use opentelemetry::trace::{SpanBuilder, SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::{
    DB_COLLECTION_NAME, DB_OPERATION_NAME, DB_SYSTEM_NAME,
};

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

/// The trace with a span that lasts as long as what this is the context of; nothing if nobody records the trace.
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
