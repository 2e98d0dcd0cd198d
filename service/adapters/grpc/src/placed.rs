//! The places of answers among the calls that there may be.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::complete::complete_trailers;
use crate::held::Held;
use crate::status::ApiError;

pin_project! {
    /// A response body of which each message has a place until it is written: the first has that of its call. A stream
    /// for whose next message there is no place ends with an error. Each error has its `ErrorInfo`.
    #[derive(Debug)]
    pub struct Placed<B> {
        #[pin]
        inner: B,
        place: Place,
    }
}

/// Where the next message has its place from.
#[derive(Debug)]
pub(crate) enum Place {
    /// It needs none.
    Exempt,
    /// It has that of the call.
    Call(OwnedSemaphorePermit),
    /// It is to be found, so that a stream in which nothing happens has none.
    Another(Arc<Semaphore>),
}

impl Place {
    /// With that of the call, if it needs one. A stream gives it back until its first message.
    pub(crate) fn of(call: Option<OwnedSemaphorePermit>, is_stream: bool) -> Self {
        match call {
            None => Self::Exempt,
            Some(place) if is_stream => Self::Another(Arc::clone(place.semaphore())),
            Some(place) => Self::Call(place),
        }
    }

    fn of_message(&mut self) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        match std::mem::replace(self, Self::Exempt) {
            Self::Exempt => Ok(None),
            Self::Call(place) => {
                *self = Self::Another(Arc::clone(place.semaphore()));
                Ok(Some(place))
            }
            Self::Another(free) => {
                let place = Arc::clone(&free).try_acquire_owned();
                *self = Self::Another(free);
                place.map(Some).map_err(|_| ApiError::Overloaded)
            }
        }
    }
}

impl<B> Placed<B> {
    /// `place` is where its first message has its place from.
    pub(crate) const fn new(inner: B, place: Place) -> Self {
        Self { inner, place }
    }
}

impl<B: Body> Body for Placed<B> {
    type Data = Held<B::Data, Option<OwnedSemaphorePermit>>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let this = self.project();
        let Some(mut frame) = ready!(this.inner.poll_frame(context)?) else {
            return Poll::Ready(None);
        };
        if let Some(trailers) = frame.trailers_mut() {
            complete_trailers(trailers);
        }
        let place = if frame.is_data() {
            match this.place.of_message() {
                Ok(place) => place,
                Err(error) => return Poll::Ready(Some(Ok(Frame::trailers(trailers(error))))),
            }
        } else {
            None
        };
        Poll::Ready(Some(Ok(frame.map_data(|data| Held::new(data, place)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn trailers(error: ApiError) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // There is nothing in our own message that could not be a header.
    let _ = Status::from(error).add_header(&mut trailers);
    trailers
}
