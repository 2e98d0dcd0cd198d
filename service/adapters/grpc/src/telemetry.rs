//! What this adapter tells: about each call its span, its place in the histogram and its line in the log, and why one
//! failed by what is behind it. Here and nowhere else.

mod metrics;
mod trace;

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use opentelemetry::Context;
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tower::{Layer, Service};
use user_application::UseCaseError;

pub use metrics::RpcMetrics;
pub use trace::{RpcTracer, is_fault_of_server};

/// One call. Observed of exactly once: when its status is known, or as cancelled when it is dropped before.
#[derive(Debug)]
struct Call {
    metrics: RpcMetrics,
    method: Arc<str>,
    /// The trace that it belongs to.
    trace: Option<Context>,
    start: Instant,
    ended: bool,
}

impl Call {
    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = self.start.elapsed();
        let status = code_name(code);
        let _trace = self.trace.clone().map(Context::attach);
        tracing::debug!(
            rpc_method = &*self.method,
            rpc_response_status_code = status,
            seconds = took.as_secs_f64(),
            "call ended"
        );
        let ended = self.trace.as_ref().map(|trace| trace::end(trace, code));
        self.metrics
            .ended(Arc::clone(&self.method), status, took, ended.as_ref());
    }

    /// Ends the call if these headers or trailers tell how.
    fn end_by(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(Status::GRPC_STATUS) {
            self.end(Code::from_bytes(code.as_bytes()));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// Tells about calls, from their headers to the end of the response.
#[derive(Clone, Debug)]
pub struct TelemetryLayer {
    metrics: RpcMetrics,
    tracer: RpcTracer,
}

impl TelemetryLayer {
    /// Counts in these metrics, and records by this tracer.
    pub const fn new(metrics: RpcMetrics, tracer: RpcTracer) -> Self {
        Self { metrics, tracer }
    }
}

impl<S> Layer<S> for TelemetryLayer {
    type Service = Telemetry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Telemetry {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`TelemetryLayer`] makes.
#[derive(Clone, Debug)]
pub struct Telemetry<S> {
    inner: S,
    layer: TelemetryLayer,
}

impl<S, Q, B> Service<Request<Q>> for Telemetry<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Observed<B>>;
    type Error = Infallible;
    type Future = TelemetryFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let TelemetryLayer { metrics, tracer } = &self.layer;
        let method = metrics.method(request.uri().path());
        let call = Call {
            metrics: metrics.clone(),
            trace: tracer.begin(&method, request.headers_mut()),
            method,
            start: Instant::now(),
            ended: false,
        };
        let _trace = call.trace.clone().map(Context::attach);
        TelemetryFuture {
            inner: self.inner.call(request),
            call: Some(call),
        }
    }
}

pin_project! {
    /// A call that is told about.
    pub struct TelemetryFuture<F> {
        #[pin]
        inner: F,
        call: Option<Call>,
    }
}

impl<F, B> Future for TelemetryFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Observed<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let trace = this.call.as_ref().and_then(|call| call.trace.clone());
        let _trace = trace.map(Context::attach);
        let Ok(response) = ready!(this.inner.poll(context));
        let mut call = this.call.take();
        if let Some(call) = &mut call {
            // An answer without messages has its status in the headers.
            call.end_by(response.headers());
        }
        Poll::Ready(Ok(response.map(|inner| Observed { inner, call })))
    }
}

pin_project! {
    /// A response body whose trailers tell how the call ended.
    #[derive(Debug)]
    pub struct Observed<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
    }
}

impl<B: Default> Default for Observed<B> {
    fn default() -> Self {
        Self {
            inner: B::default(),
            call: None,
        }
    }
}

impl<B: Body> Body for Observed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        if let (Some(Ok(frame)), Some(call)) = (&frame, this.call)
            && let Some(trailers) = frame.trailers_ref()
        {
            call.end_by(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A call is answered with that. It counts by its status, as those that fail otherwise.
pub(crate) fn storage_unavailable(error: &UseCaseError) {
    tracing::warn!(error = causes(error), "storage unavailable");
}

/// The same, of a defect.
pub(crate) fn internal_error(error: &UseCaseError) {
    tracing::error!(error = causes(error), "internal error");
}

/// An error with everything that caused it, each said once. For logs; the caller only learns the reason.
fn causes(error: &dyn Error) -> String {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if said.last() != Some(&text) {
            said.push(text);
        }
        cause = error.source();
    }
    said.join(": ")
}

/// The canonical name of a status code.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use user_application::RepositoryError;

    use super::*;

    #[test]
    fn the_log_says_each_cause_once() {
        let storage = RepositoryError::Unavailable("connection refused".into());
        assert_eq!(
            causes(&UseCaseError::Unavailable(storage)),
            "the storage is unavailable: connection refused"
        );
    }
}
