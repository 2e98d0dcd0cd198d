//! How long calls take and how they end.
//!
//! The names follow OpenTelemetry's semantic conventions for RPC in their Prometheus form; see [`user_settings::metric`].

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};
use tower::{Layer, Service};
use user_settings::metric;

/// Upper bounds of the histogram's buckets, in seconds: what the semantic conventions advise for RPC durations.
const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The field names are the label names; a test holds them against [`metric`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    rpc_method: Arc<str>,
    rpc_response_status_code: &'static str,
}

/// The histogram of all calls, and the methods that may appear in it.
#[derive(Clone, Debug)]
pub struct RpcMetrics {
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    methods: Arc<HashMap<String, Arc<str>>>,
    other: Arc<str>,
}

impl RpcMetrics {
    /// Registers the histogram. Methods of the services in these encoded file descriptor sets get a label of their own;
    /// all others share one, so that callers cannot make the metric grow.
    ///
    /// # Errors
    /// A set cannot be decoded.
    pub fn register(
        registry: &mut Registry,
        descriptor_sets: &[&[u8]],
    ) -> Result<Self, prost::DecodeError> {
        let mut methods = HashMap::new();
        for set in descriptor_sets {
            methods.extend(methods_of(&FileDescriptorSet::decode(*set)?));
        }
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let durations = Family::new_with_constructor(histogram);
        registry.register(
            metric::RPC_SERVER_CALL_DURATION,
            "How long the server took for a call, in seconds",
            durations.clone(),
        );
        Ok(Self {
            durations,
            methods: Arc::new(methods),
            other: metric::OTHER_METHOD.into(),
        })
    }

    fn begin(&self, path: &str) -> Call {
        let method = self.methods.get(path).unwrap_or(&self.other);
        Call {
            durations: self.durations.clone(),
            method: Arc::clone(method),
            start: Instant::now(),
            ended: false,
        }
    }
}

/// Request path and label of every method.
fn methods_of(set: &FileDescriptorSet) -> impl Iterator<Item = (String, Arc<str>)> {
    set.file.iter().flat_map(|file| {
        file.service.iter().flat_map(move |service| {
            service.method.iter().map(move |method| {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                (format!("/{name}"), name.into())
            })
        })
    })
}

/// One call. Counted exactly once: when its status is known, or as cancelled when it is dropped before.
#[derive(Debug)]
struct Call {
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    method: Arc<str>,
    start: Instant,
    ended: bool,
}

impl Call {
    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let rpc_response_status_code = code_name(code);
        let rpc_method = Arc::clone(&self.method);
        tracing::debug!(
            rpc_method = &*rpc_method,
            rpc_response_status_code,
            seconds,
            "call ended"
        );
        let labels = Labels {
            rpc_method,
            rpc_response_status_code,
        };
        self.durations.get_or_create(&labels).observe(seconds);
    }

    /// Ends the call if these headers or trailers tell how.
    fn end_by(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.end(status.code());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// Counts calls and measures how long they take, to the end of the response.
#[derive(Clone, Debug)]
pub struct MetricsLayer {
    metrics: RpcMetrics,
}

impl MetricsLayer {
    /// Counts in these metrics.
    pub const fn new(metrics: RpcMetrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Metrics {
            inner,
            metrics: self.metrics.clone(),
        }
    }
}

/// The service that [`MetricsLayer`] makes.
#[derive(Clone, Debug)]
pub struct Metrics<S> {
    inner: S,
    metrics: RpcMetrics,
}

impl<S, Q, B> Service<Request<Q>> for Metrics<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Measured<B>>;
    type Error = Infallible;
    type Future = MetricsFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let call = Some(self.metrics.begin(request.uri().path()));
        MetricsFuture {
            inner: self.inner.call(request),
            call,
        }
    }
}

pin_project! {
    /// A call that is measured.
    pub struct MetricsFuture<F> {
        #[pin]
        inner: F,
        call: Option<Call>,
    }
}

impl<F, B> Future for MetricsFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Measured<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.inner.poll(context));
        let mut call = this.call.take();
        if let Some(call) = &mut call {
            // An answer without messages has its status in the headers.
            call.end_by(response.headers());
        }
        Poll::Ready(Ok(response.map(|inner| Measured { inner, call })))
    }
}

pin_project! {
    /// A response body whose trailers tell how the call ended.
    #[derive(Debug)]
    pub struct Measured<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
    }
}

impl<B: Default> Default for Measured<B> {
    fn default() -> Self {
        Self {
            inner: B::default(),
            call: None,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Measured<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
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
