//! The streams of one connection, on the task of that connection.
//!
//! The transport library would spawn a task for each. They would take turns with the connection's own, which then writes
//! one or two answers at a time; and what the kernel does for those writes was a third of a small call.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use hyper::rt::Executor;
use pin_project_lite::pin_project;

/// A call, until its answer is with the connection.
type Stream = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the streams that the transport library opens on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Sender<Stream>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        // A call that panics is reset, as its task would have been; those beside it go on.
        let stream = AssertUnwindSafe(stream).catch_unwind().map(drop);
        // With the connection gone nobody waits for its calls.
        let _ = self.0.send(Box::pin(stream));
    }
}

pin_project! {
    /// A connection with its streams: all of them that can go on do, and then the connection writes what they have to say.
    pub(crate) struct WithStreams<C> {
        #[pin]
        connection: C,
        opened: Receiver<Stream>,
        streams: FuturesUnordered<Stream>,
    }
}

impl<C> WithStreams<C> {
    /// Drives the connection that is made to open its streams there.
    pub(crate) fn new(connect: impl FnOnce(Streams) -> C) -> Self {
        let (open, opened) = channel();
        Self {
            connection: connect(Streams(open)),
            opened,
            streams: FuturesUnordered::new(),
        }
    }

    /// The connection itself.
    pub(crate) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future> Future for WithStreams<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            while let Poll::Ready(Some(())) = this.streams.poll_next_unpin(context) {}
            if let Poll::Ready(ended) = this.connection.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            let before = this.streams.len();
            this.streams.extend(this.opened.try_iter());
            if this.streams.len() == before {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use hyper::body::Incoming;
    use hyper::server::conn::http2;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::runtime::Builder;
    use tokio_util::io::InspectWriter;

    use super::*;

    const CALLS: u8 = 20;
    /// Frames and flags of HTTP/2 (RFC 9113 §6).
    const DATA: u8 = 0;
    const RST_STREAM: u8 = 3;
    const END_STREAM: u8 = 1;

    /// A client's preface and empty settings, and then calls, all at once.
    fn calls() -> Vec<u8> {
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for number in 0..CALLS {
            // POST, http and / of the static table (RFC 7541 §A), at the end of headers and stream.
            sent.extend([0, 0, 3, 1, 5, 0, 0, 0, 2 * number + 1, 0x83, 0x86, 0x84]);
        }
        sent
    }

    /// Serves the calls on a thread of its own, the first of them with a panic if asked to. How many were answered, how
    /// many were reset, and in how many writes.
    fn served(first_panics: bool) -> (u8, u8, usize) {
        let runtime = Builder::new_multi_thread().worker_threads(1).build();
        let runtime = runtime.expect("starts");
        let (mut client, socket) = duplex(64 * 1024);
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&writes);
        let socket = InspectWriter::new(socket, move |_: &[u8]| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        runtime.block_on(async {
            client.write_all(&calls()).await.expect("has room");
            let panics = Arc::new(AtomicUsize::new(usize::from(first_panics)));
            let service = service_fn(move |_: Request<Incoming>| {
                let panics = panics.swap(0, Ordering::Relaxed) > 0;
                async move {
                    assert!(!panics, "as it was asked to");
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("answer"))))
                }
            });
            tokio::spawn(WithStreams::new(|streams| {
                http2::Builder::new(streams).serve_connection(TokioIo::new(socket), service)
            }));
            let (mut answered, mut reset) = (0, 0);
            while answered + reset < CALLS {
                let mut head = [0; 9];
                client.read_exact(&mut head).await.expect("goes on");
                let [_, high, low, kind, flags, ..] = head;
                let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
                client.read_exact(&mut payload).await.expect("goes on");
                answered += u8::from(kind == DATA && flags & END_STREAM != 0);
                reset += u8::from(kind == RST_STREAM);
            }
            (answered, reset, writes.load(Ordering::Relaxed))
        })
    }

    #[test]
    fn answers_to_calls_that_came_together_are_written_together() {
        let (answered, _, writes) = served(false);
        assert_eq!(answered, CALLS);
        // The server's settings, what it has to say to the client's, and the answers.
        assert!(writes <= 3, "{writes} writes");
    }

    #[test]
    fn a_call_that_panics_is_reset_and_those_beside_it_are_answered() {
        let (answered, reset, _) = served(true);
        assert_eq!((answered, reset), (CALLS - 1, 1));
    }
}
