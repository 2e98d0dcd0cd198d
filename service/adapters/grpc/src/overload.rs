//! How many calls there may be at a time.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tower::{Layer, Service};

use crate::placed::{Place, Placed};
use crate::status::ApiError;
use crate::unread::Unread;

/// Health is asked when it matters most.
const EXEMPT: &str = "/grpc.health.v1.Health/";
/// Its streams may never be asked anything.
const STREAMS: &str = "/grpc.reflection.";

/// Refuses calls beyond a number in flight, as soon as the rest of the request has come ([`Unread`]): a queue would only
/// keep callers waiting for answers that come too late. The number is one for all clones of what the layer makes. A call
/// counts until its answer is written to the socket, for an answer that its client does not take is memory as well; of a
/// stream each message counts so.
#[derive(Clone, Debug)]
pub struct OverloadLayer {
    free: Arc<Semaphore>,
}

impl OverloadLayer {
    /// So many calls may be in flight.
    pub fn new(calls: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(calls)),
        }
    }
}

impl<S> Layer<S> for OverloadLayer {
    type Service = Overload<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Overload {
            inner,
            free: Arc::clone(&self.free),
        }
    }
}

/// The service that [`OverloadLayer`] makes.
#[derive(Clone, Debug)]
pub struct Overload<S> {
    inner: S,
    free: Arc<Semaphore>,
}

impl<S, Q, B> Service<Request<Q>> for Overload<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
    Q: http_body::Body,
    B: Default,
{
    type Response = Response<Placed<B>>;
    type Error = Infallible;
    type Future = OverloadFuture<S::Future, Q>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let permit = if request.uri().path().starts_with(EXEMPT) {
            None
        } else {
            match Arc::clone(&self.free).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => {
                    return OverloadFuture::Refused {
                        request: Unread::new(request.into_body()),
                    };
                }
            }
        };
        let is_stream = request.uri().path().starts_with(STREAMS);
        OverloadFuture::Running {
            call: self.inner.call(request),
            permit,
            is_stream,
        }
    }
}

pin_project! {
    /// A call with its place among those that there may be.
    #[project = OverloadProjection]
    pub enum OverloadFuture<F, Q> {
        /// There was no place.
        Refused {
            #[pin]
            request: Unread<Q>,
        },
        /// The call runs.
        Running {
            #[pin]
            call: F,
            permit: Option<OwnedSemaphorePermit>,
            is_stream: bool,
        },
    }
}

impl<F, Q, B> Future for OverloadFuture<F, Q>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    Q: http_body::Body,
    B: Default,
{
    type Output = Result<Response<Placed<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (response, place) = match self.project() {
            OverloadProjection::Refused { request } => {
                ready!(request.poll(context));
                let refused = Status::from(ApiError::Overloaded).into_http();
                (refused, Place::Exempt)
            }
            OverloadProjection::Running {
                call,
                permit,
                is_stream,
            } => {
                let Ok(response) = ready!(call.poll(context));
                (response, Place::of(permit.take(), *is_stream))
            }
        };
        Poll::Ready(Ok(response.map(|body| Placed::new(body, place))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio::sync::Notify;
    use tonic::Code;
    use tonic::body::Body;
    use tonic_types::StatusExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::reason;
    use crate::testkit::error_info;

    fn request(path: &str) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().expect("a path");
        request
    }

    #[tokio::test]
    async fn a_call_beyond_the_number_is_refused_at_once_and_health_is_not() {
        let go_on = Arc::new(Notify::new());
        let service = OverloadLayer::new(1).layer(service_fn({
            let go_on = Arc::clone(&go_on);
            move |request: Request<Body>| {
                let go_on = Arc::clone(&go_on);
                async move {
                    if request.uri().path().starts_with("/user.v1") {
                        go_on.notified().await;
                    }
                    Ok::<_, Infallible>(Response::new(()))
                }
            }
        }));
        let mut first = Box::pin(
            service
                .clone()
                .oneshot(request("/user.v1.UserService/GetUser")),
        );
        let is_pending =
            poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await;
        assert!(is_pending, "it is in flight");

        let refused = service
            .clone()
            .oneshot(request("/user.v1.UserService/GetUser"));
        let refused = refused.await.expect("infallible");
        let status = Status::from_header_map(refused.headers()).expect("has a status");
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(error_info(&status).reason, reason::SERVER_OVERLOADED);
        let details = status.get_error_details();
        assert!(details.retry_info().is_some(), "says when to try again");

        let health = service
            .clone()
            .oneshot(request("/grpc.health.v1.Health/Check"));
        let health = health.await.expect("infallible");
        assert!(Status::from_header_map(health.headers()).is_none());

        go_on.notify_one();
        first.await.expect("infallible");
        go_on.notify_one();
        let next = service
            .oneshot(request("/user.v1.UserService/GetUser"))
            .await;
        let next = next.expect("infallible");
        assert!(
            Status::from_header_map(next.headers()).is_none(),
            "its place is free again"
        );
    }

    #[tokio::test]
    async fn an_open_stream_of_reflection_has_no_place_before_it_is_asked_anything() {
        let method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        let service = OverloadLayer::new(1).layer(service_fn(|_: Request<Body>| async {
            let frames = tokio_stream::pending::<Result<Frame<Bytes>, Infallible>>();
            Ok::<_, Infallible>(Response::new(Body::new(StreamBody::new(frames))))
        }));
        let mut open = Vec::new();
        for _ in 0..3 {
            let stream = service.clone().oneshot(request(method)).await;
            let stream = stream.expect("infallible");
            assert!(Status::from_header_map(stream.headers()).is_none());
            open.push(stream);
        }
    }

    #[tokio::test]
    async fn a_message_has_a_place_until_it_is_gone_and_a_stream_without_one_for_its_next_ends() {
        let method = "/user.v1.UserService/ListUsers";
        let service = OverloadLayer::new(1).layer(service_fn(|_: Request<Body>| async {
            let frame = || Ok::<_, Infallible>(Frame::data(Bytes::from("x")));
            let frames = tokio_stream::iter([frame(), frame(), frame()]);
            Ok::<_, Infallible>(Response::new(Body::new(StreamBody::new(frames))))
        }));
        let call = || service.clone().oneshot(request(method));
        let mut body = call().await.expect("infallible").into_body();
        for _ in 0..2 {
            let message = body.frame().await.expect("goes on").expect("infallible");
            assert!(message.is_data());
            let refused = call().await.expect("infallible");
            let status = Status::from_header_map(refused.headers()).expect("has a status");
            assert_eq!(status.code(), Code::ResourceExhausted);
        }
        let other = call().await.expect("infallible");
        assert!(
            Status::from_header_map(other.headers()).is_none(),
            "a stream in which nothing happens has no place"
        );
        let end = body.frame().await.expect("goes on").expect("infallible");
        let status = end.trailers_ref().and_then(Status::from_header_map);
        let status = status.expect("has one");
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(error_info(&status).reason, reason::SERVER_OVERLOADED);
    }
}
