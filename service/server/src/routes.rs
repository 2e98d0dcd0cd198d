//! Which service a call is for.

use std::convert::Infallible;
use std::task::{Context, Poll, ready};

use http::Request;
use tokio_util::either::Either;
use tonic::server::NamedService;
use tower::Service;

/// Calls of one service go to it at once; the router, which takes a path apart piece by piece, is for the others.
#[derive(Clone, Debug)]
pub(crate) struct Direct<S, R> {
    service: S,
    others: R,
}

impl<S, R> Direct<S, R> {
    pub(crate) const fn new(service: S, others: R) -> Self {
        Self { service, others }
    }
}

impl<S, R, B> Service<Request<B>> for Direct<S, R>
where
    S: Service<Request<B>, Error = Infallible> + NamedService,
    R: Service<Request<B>, Response = S::Response, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = Either<S::Future, R::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        ready!(self.service.poll_ready(context))?;
        self.others.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path().strip_prefix('/');
        let method = path.and_then(|path| path.strip_prefix(S::NAME));
        if method.is_some_and(|method| method.starts_with('/')) {
            Either::Left(self.service.call(request))
        } else {
            Either::Right(self.others.call(request))
        }
    }
}
