//! Which calls are in flight on a listener.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::Service;

/// The calls of a listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    in_flight: TaskTracker,
    begun: Arc<AtomicU64>,
}

impl Calls {
    /// How many are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How many there have been.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Waits until none is in flight.
    pub(crate) async fn ended(&self) {
        self.in_flight.close();
        self.in_flight.wait().await;
    }

    fn begin(&self) -> TaskTrackerToken {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.in_flight.token()
    }
}

/// Holds a token for each call, from its beginning to the end of its response.
#[derive(Clone, Debug)]
pub(crate) struct CountCalls<S> {
    inner: S,
    calls: Calls,
}

impl<S> CountCalls<S> {
    /// Counts the calls of `inner` in `calls`.
    pub(crate) const fn new(inner: S, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

impl<S, Q, B> Service<Request<Q>> for CountCalls<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Counted<B>>;
    type Error = Infallible;
    type Future = Counted<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        Counted {
            inner: self.inner.call(request),
            token: self.calls.begin(),
        }
    }
}

pin_project! {
    /// A call, or the body of its response, with the token that says that it is in flight.
    #[derive(Debug)]
    pub(crate) struct Counted<T> {
        #[pin]
        inner: T,
        token: TaskTrackerToken,
    }
}

impl<F, B> Future for Counted<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Counted<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.inner.poll(context));
        let token = this.token.clone();
        Poll::Ready(Ok(response.map(|inner| Counted { inner, token })))
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
