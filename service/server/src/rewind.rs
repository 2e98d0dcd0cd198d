//! A stream of which something was read already.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pin_project! {
    /// Gives what was read again before it goes on with the stream.
    #[derive(Debug)]
    pub(crate) struct Rewind<S> {
        read: Vec<u8>,
        given: usize,
        #[pin]
        stream: S,
    }
}

impl<S> Rewind<S> {
    /// `read` is what was read of `stream`.
    pub(crate) const fn new(read: Vec<u8>, stream: S) -> Self {
        Self {
            read,
            given: 0,
            stream,
        }
    }
}

impl<S: AsyncRead> AsyncRead for Rewind<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        match this.read.get(*this.given..) {
            Some(left) if !left.is_empty() => {
                let (now, _) = left.split_at(left.len().min(buffer.remaining()));
                buffer.put_slice(now);
                *this.given += now.len();
                Poll::Ready(Ok(()))
            }
            _ => this.stream.poll_read(context, buffer),
        }
    }
}

impl<S: AsyncWrite> AsyncWrite for Rewind<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(context)
    }
}
