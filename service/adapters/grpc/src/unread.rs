//! What is left of a request whose answer is known before it was read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

/// Bytes that are read of it.
const MOST: usize = 64 * 1024;
/// How long they are waited for.
const LONGEST: Duration = Duration::from_secs(1);

pin_project! {
    /// Ends once a request was read to its end, or as far as is worth it.
    ///
    /// An answer before that resets the stream, and when the rest of the request comes that its client had sent by then,
    /// it counts as the client's mistake: after many of them the transport ends the connection, with all calls on it
    /// (RFC 9113 §5.4.1).
    pub struct Unread<B> {
        #[pin]
        body: B,
        left: usize,
        late: Option<Pin<Box<Sleep>>>,
    }
}

impl<B> Unread<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self {
            body,
            left: MOST,
            late: None,
        }
    }
}

impl<B: Body> Future for Unread<B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        while !this.body.is_end_stream() {
            match this.body.as_mut().poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, Buf::remaining);
                    match this.left.checked_sub(length) {
                        Some(left) => *this.left = left,
                        None => break,
                    }
                }
                Poll::Ready(None | Some(Err(_))) => break,
                Poll::Pending => {
                    let late = this.late.get_or_insert_with(|| Box::pin(sleep(LONGEST)));
                    return late.as_mut().poll(context);
                }
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tokio::time::Instant;
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_end_is_waited_for_no_longer_than_its_bound() {
        let start = Instant::now();
        let chunk = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1024])));
        let stays = tokio_stream::once(chunk()).chain(tokio_stream::pending());
        Unread::new(StreamBody::new(stays)).await;
        assert_eq!(start.elapsed(), LONGEST);
        let endless = tokio_stream::iter(std::iter::repeat_with(chunk));
        Unread::new(StreamBody::new(endless)).await;
        assert_eq!(
            start.elapsed(),
            LONGEST,
            "as much as that is not waited for"
        );
    }
}
