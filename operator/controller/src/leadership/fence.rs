//! The client's last layer before the wire: no write without a claim that outlasts it.

use std::{
    future::{Ready, ready},
    task::Poll,
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use http::{Method, Request, Uri};
use tower::{BoxError, Layer, Service};

use super::{
    Claim, NotLeading,
    claim::{Late, Write},
};

/// Bound of a write to the API server, for this side and, as the request's parameter `timeout`, for the API server.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Lets requests that write begin only while the claim outlasts them, and cuts them off before it
/// ends.
#[derive(Clone)]
pub(crate) struct Fence(pub(crate) Claim);

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced {
            inner,
            claim: self.0.clone(),
        }
    }
}

/// A service behind the fence.
#[derive(Clone)]
pub(crate) struct Fenced<S> {
    inner: S,
    claim: Claim,
}

impl<S, B> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>, Error: Into<BoxError> + 'static, Future: Send + 'static>,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return self
                .inner
                .call(request)
                .map(|answer| answer.map_err(Into::into))
                .boxed();
        }
        match self.claim.begin(WRITE_TIMEOUT) {
            Ok(write) => in_time(self.inner.call(bounded(request)), write).boxed(),
            Err(error) => refused(error).boxed(),
        }
    }
}

fn refused<T>(error: NotLeading) -> Ready<Result<T, BoxError>> {
    ready(Err(error.into()))
}

async fn in_time<T, E: Into<BoxError>>(
    request: impl Future<Output = Result<T, E>>,
    write: Write,
) -> Result<T, BoxError> {
    match write.in_time(request).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(Late) => Err(format!("no answer within {WRITE_TIMEOUT:?}").into()),
    }
}

/// The request with the bound that the API server keeps to, so that it does not write what is given
/// up here.
fn bounded<B>(mut request: Request<B>) -> Request<B> {
    let uri = request.uri();
    let separator = if uri.query().is_some() { '&' } else { '?' };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = format!("{path}{separator}timeout={}s", WRITE_TIMEOUT.as_secs());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    // What was valid before stays so; if not, the request goes as it was.
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}
