//! Which calls are in flight on a listener, and what of their answers is unread.

mod unread;

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
use user_adapter_grpc::Held;

use unread::Piece;
pub(crate) use unread::Unread;

/// Tools leave streams of reflection open for as long as people look at what they told. There is nothing to wait for.
const UNCOUNTED: &str = "/grpc.reflection.";

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

/// Holds a token for each call of a connection, from its beginning until its answer is written to the socket; of a stream
/// until its first message is.
#[derive(Clone, Debug)]
pub(crate) struct CountCalls<S> {
    inner: S,
    calls: Calls,
    unread: Unread,
}

impl<S> CountCalls<S> {
    /// Counts the calls of `inner`, which is for one connection, in `calls`.
    pub(crate) fn new(inner: S, calls: Calls) -> Self {
        Self {
            inner,
            calls,
            unread: Unread::default(),
        }
    }

    /// What the client has not taken.
    pub(crate) fn unread(&self) -> Unread {
        self.unread.clone()
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
        let is_counted = !request.uri().path().starts_with(UNCOUNTED);
        Counted {
            inner: self.inner.call(request),
            token: is_counted.then(|| self.calls.begin()),
            unread: self.unread(),
        }
    }
}

pin_project! {
    /// A call, or the body of its response, with the token that says that it is in flight, which goes with the first data.
    #[derive(Debug)]
    pub(crate) struct Counted<T> {
        #[pin]
        inner: T,
        token: Option<TaskTrackerToken>,
        unread: Unread,
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
        let (token, unread) = (this.token.take(), this.unread.clone());
        Poll::Ready(Ok(response.map(|inner| Counted {
            inner,
            token,
            unread,
        })))
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = Held<B::Data, (Option<TaskTrackerToken>, Piece)>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context)?);
        let held = |data| Held::new(data, (this.token.take(), this.unread.piece()));
        Poll::Ready(frame.map(|frame| Ok(frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
