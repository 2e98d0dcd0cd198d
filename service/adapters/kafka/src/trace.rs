//! Spans of sending, in the traces of the requests that the events came from.
//!
//! Names and attributes follow OpenTelemetry's semantic conventions for messaging. The context that a record carries is
//! the one that was stored with its event, whatever is recorded here: consumers link to it.

use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, MESSAGING_DESTINATION_NAME, MESSAGING_MESSAGE_ID, MESSAGING_OPERATION_NAME,
    MESSAGING_OPERATION_TYPE, MESSAGING_SYSTEM,
};
use user_application::{OutboxRecord, PublishError};

const SEND: &str = "send";

/// The span of sending one record.
pub(crate) struct Sending(BoxedSpan);

impl Sending {
    /// Begins the span; nothing if nobody records the trace.
    pub(crate) fn begin(record: &OutboxRecord, topic: &str) -> Option<Self> {
        let trace = record.trace.as_ref()?;
        let ids = trace.ids();
        if !ids.is_sampled {
            return None;
        }
        let state = trace.state().and_then(|state| state.parse().ok());
        let request = SpanContext::new(
            ids.trace.into(),
            ids.span.into(),
            TraceFlags::SAMPLED,
            true,
            state.unwrap_or(TraceState::NONE),
        );
        let span = SpanBuilder::from_name(format!("{SEND} {topic}"))
            .with_kind(SpanKind::Producer)
            .with_attributes([
                KeyValue::new(MESSAGING_SYSTEM, "kafka"),
                KeyValue::new(MESSAGING_DESTINATION_NAME, topic.to_owned()),
                KeyValue::new(MESSAGING_OPERATION_NAME, SEND),
                KeyValue::new(MESSAGING_OPERATION_TYPE, SEND),
                KeyValue::new(MESSAGING_MESSAGE_ID, record.event.id().to_string()),
            ]);
        let around = Context::new().with_remote_span_context(request);
        let tracer = global::tracer(env!("CARGO_PKG_NAME"));
        Some(Self(tracer.build_with_context(span, &around)))
    }

    pub(crate) fn end(mut self, outcome: &Result<(), PublishError>) {
        if let Err(error) = outcome {
            self.0
                .set_attribute(KeyValue::new(ERROR_TYPE, error.reason()));
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}
