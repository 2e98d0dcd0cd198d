//! The span of a call, in the trace that its caller began or in a new one (W3C Trace Context).
//!
//! Names and attributes follow OpenTelemetry's semantic conventions for RPC. Nothing that a caller wrote is among them.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, RPC_METHOD, RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_NAME,
};
use tonic::Code;
use user_application::TraceContext;

use super::code_name;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// Records calls as spans.
#[derive(Clone, Debug)]
pub struct RpcTracer(Option<Arc<BoxedTracer>>);

impl RpcTracer {
    /// Records nothing; log lines still name the trace of the caller.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Records by the tracer provider that is the process's by now.
    pub fn on() -> Self {
        Self(Some(Arc::new(opentelemetry::global::tracer(env!(
            "CARGO_PKG_NAME"
        )))))
    }

    /// Begins the span of a call. From here on its headers name this span, so that what the call leads to, such as an
    /// event, belongs to it; unless nobody records the trace.
    pub(super) fn begin(&self, method: &Arc<str>, headers: &mut HeaderMap) -> Option<Context> {
        let caller = caller(headers);
        let is_of_caller = caller.is_some();
        let around = match caller {
            Some(caller) => Context::new().with_remote_span_context(caller),
            None => Context::new(),
        };
        let Some(tracer) = &self.0 else {
            return is_of_caller.then_some(around);
        };
        let span = SpanBuilder::from_name(method.to_string())
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new(RPC_SYSTEM_NAME, "grpc"),
                KeyValue::new(RPC_METHOD, Arc::clone(method)),
            ]);
        let span = tracer.build_with_context(span, &around);
        let own = span.span_context();
        if is_of_caller || own.is_sampled() {
            headers.insert(PARENT, parent(own)?);
        }
        Some(around.with_span(span))
    }
}

/// Ends the span of a call; which one it was.
pub(super) fn end(trace: &Context, code: Code) -> SpanContext {
    let span = trace.span();
    if span.is_recording() {
        let name = code_name(code);
        span.set_attribute(KeyValue::new(RPC_RESPONSE_STATUS_CODE, name));
        if is_fault_of_server(name) {
            span.set_attribute(KeyValue::new(ERROR_TYPE, name));
            span.set_status(Status::error(""));
        }
        span.end();
    }
    span.span_context().clone()
}

/// What counts as an error on the side of the server, by the conventions.
const FAULTS_OF_SERVER: [Code; 6] = [
    Code::Unknown,
    Code::DeadlineExceeded,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
];

/// Whether the status of this canonical name counts as an error on the side of the server, so that telemetry names it as
/// the type of the error (`OpenTelemetry` `error.type`).
pub fn is_fault_of_server(status: &str) -> bool {
    let mut faults = FAULTS_OF_SERVER.into_iter();
    faults.any(|fault| code_name(fault) == status)
}

/// The span that the caller made the call in.
fn caller(headers: &HeaderMap) -> Option<SpanContext> {
    let header = |name| headers.get(name)?.to_str().ok();
    let context = TraceContext::parse(header(PARENT)?, header(STATE))?;
    let ids = context.ids();
    let state = context.state().and_then(|state| state.parse().ok());
    Some(SpanContext::new(
        ids.trace.into(),
        ids.span.into(),
        TraceFlags::default().with_sampled(ids.is_sampled),
        true,
        state.unwrap_or(TraceState::NONE),
    ))
}

fn parent(span: &SpanContext) -> Option<HeaderValue> {
    let text = format!(
        "00-{}-{}-{:02x}",
        span.trace_id(),
        span.span_id(),
        span.trace_flags()
    );
    HeaderValue::try_from(text).ok()
}
