//! The time that a call may take.
//!
//! The transport library has a timeout of its own, but answers it with `CANCELLED`, which clients and error rates take
//! for the caller's doing. Here it is `DEADLINE_EXCEEDED`, as the gRPC specification has it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Timeout};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::context::Due;
use crate::status::ApiError;

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Ends calls at the deadline of the client or at the server's own, whichever comes first. The work is dropped then, and
/// nothing more of it is begun. A call that arrives with no time left is answered without being started.
///
/// The deadline is about the time to the response; a stream that has begun is not cut.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer {
    longest: Duration,
}

impl DeadlineLayer {
    /// No call takes longer than this, whatever its client allows.
    pub const fn new(longest: Duration) -> Self {
        Self { longest }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline {
            inner,
            longest: self.longest,
        }
    }
}

/// The service that [`DeadlineLayer`] makes.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    longest: Duration,
}

impl<S, Q, B> Service<Request<Q>> for Deadline<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let asked = asked_timeout(request.headers());
        let timeout = asked.map_or(self.longest, |asked| asked.min(self.longest));
        if timeout.is_zero() {
            return DeadlineFuture::Expired;
        }
        let due = Instant::now() + timeout;
        request.extensions_mut().insert(Due(due.into_std()));
        DeadlineFuture::Running {
            call: tokio::time::timeout_at(due, self.inner.call(request)),
            due,
        }
    }
}

pin_project! {
    /// A call with its deadline.
    #[project = DeadlineProjection]
    pub enum DeadlineFuture<F> {
        /// There was no time left.
        Expired,
        /// The call runs.
        Running {
            #[pin]
            call: Timeout<F>,
            due: Instant,
        },
    }
}

impl<F, B> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Default,
{
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The timer alone would let work that is woken late go on once more.
        if let DeadlineProjection::Running { call, due } = self.project()
            && Instant::now() < *due
            && let Ok(Ok(response)) = ready!(call.poll(context))
            && !(is_unavailable(response.headers()) && Instant::now() >= *due)
        {
            return Poll::Ready(Ok(response));
        }
        Poll::Ready(Ok(Status::from(ApiError::DeadlineExceeded).into_http()))
    }
}

/// Whether the answer is that the storage did not answer in time, which is the time's doing where that is over.
fn is_unavailable(headers: &HeaderMap) -> bool {
    Status::from_header_map(headers).is_some_and(|status| status.code() == Code::Unavailable)
}

/// What the client allows, if it says so in the form that the gRPC protocol prescribes: one to eight digits and a unit.
/// Anything else is as good as no deadline; the server's own is still in force.
fn asked_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 60 * 60)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use proptest::prelude::*;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    fn headers(timeout: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, timeout.parse().expect("header value"));
        headers
    }

    /// Sends a call that takes a minute through a layer that allows 5 s: the code, and when it came.
    async fn call(timeout: Option<&str>) -> (Code, Duration) {
        let service =
            DeadlineLayer::new(Duration::from_secs(5)).layer(service_fn(|_: Request<()>| async {
                tokio::time::sleep(Duration::from_mins(1)).await;
                Ok::<_, Infallible>(Response::new(()))
            }));
        let mut request = Request::new(());
        if let Some(timeout) = timeout {
            *request.headers_mut() = headers(timeout);
        }
        let start = Instant::now();
        let response = service.oneshot(request).await.expect("infallible");
        let status = Status::from_header_map(response.headers()).expect("has a status");
        (status.code(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_of_both_deadlines_ends_the_call() {
        let cases = [
            (Some("50m"), Duration::from_millis(50)),
            (Some("1H"), Duration::from_secs(5)),
            (Some("soon"), Duration::from_secs(5)),
            (None, Duration::from_secs(5)),
        ];
        for (asked, expected) in cases {
            let (code, took) = call(asked).await;
            assert_eq!(code, Code::DeadlineExceeded, "{asked:?}");
            assert!(
                took >= expected && took < expected + Duration::from_millis(10),
                "{asked:?}: {took:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn with_no_time_left_nothing_is_started() {
        let started = Arc::new(AtomicBool::new(false));
        let service = DeadlineLayer::new(Duration::from_secs(5)).layer(service_fn({
            let started = Arc::clone(&started);
            move |_: Request<()>| {
                started.store(true, Ordering::Relaxed);
                std::future::ready(Ok::<_, Infallible>(Response::new(())))
            }
        }));
        let mut request = Request::new(());
        *request.headers_mut() = headers("0n");
        let response = service.oneshot(request).await.expect("infallible");
        assert_eq!(
            Status::from_header_map(response.headers()).map(|s| s.code()),
            Some(Code::DeadlineExceeded)
        );
        assert!(!started.load(Ordering::Relaxed));
    }

    /// Of a call that has 50 ms and ends so long after it began.
    async fn unavailable_after(took: Duration) -> Option<Code> {
        let service =
            DeadlineLayer::new(Duration::from_secs(5)).layer(service_fn(move |_: Request<()>| {
                async move {
                    // A storage that does not look at the time while it works.
                    tokio::time::advance(took).await;
                    Ok::<_, Infallible>(Status::unavailable("").into_http::<()>())
                }
            }));
        let mut request = Request::new(());
        *request.headers_mut() = headers("50m");
        let response = service.oneshot(request).await.expect("infallible");
        Status::from_header_map(response.headers()).map(|status| status.code())
    }

    #[tokio::test(start_paused = true)]
    async fn a_storage_that_is_unavailable_once_the_time_is_over_is_the_times_doing() {
        for (took, expected) in [(49, Code::Unavailable), (50, Code::DeadlineExceeded)] {
            let code = unavailable_after(Duration::from_millis(took)).await;
            assert_eq!(code, Some(expected), "after {took} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_woken_when_the_time_is_over_is_not_gone_on_with() {
        let went_on = Arc::new(AtomicBool::new(false));
        let service = DeadlineLayer::new(Duration::from_secs(5)).layer(service_fn({
            let went_on = Arc::clone(&went_on);
            move |_: Request<()>| {
                let went_on = Arc::clone(&went_on);
                async move {
                    tokio::task::yield_now().await;
                    went_on.store(true, Ordering::Relaxed);
                    Ok::<_, Infallible>(Response::new(()))
                }
            }
        }));
        let mut request = Request::new(());
        *request.headers_mut() = headers("50m");
        let mut call = Box::pin(service.oneshot(request));
        let begun = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        assert!(begun.is_pending());
        tokio::time::advance(Duration::from_millis(50)).await;
        let response = call.await.expect("infallible");
        let status = Status::from_header_map(response.headers()).expect("has a status");
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(!went_on.load(Ordering::Relaxed));
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let cases = [
            ("1H", Some(Duration::from_hours(1))),
            ("2M", Some(Duration::from_mins(2))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("100m", Some(Duration::from_millis(100))),
            ("7u", Some(Duration::from_micros(7))),
            ("0n", Some(Duration::ZERO)),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("+5S", None),
            ("5s", None),
            ("1.5S", None),
        ];
        for (text, expected) in cases {
            assert_eq!(asked_timeout(&headers(text)), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_whatever_makes_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = http::HeaderValue::from_bytes(&bytes) {
                headers.insert(GRPC_TIMEOUT, value);
            }
            let _ = asked_timeout(&headers);
        }
    }
}
