//! Standard output as something that can be waited for.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::task::{JoinHandle, spawn_blocking};

/// Standard output of the process. What is written is flushed by the same task on a thread for blocking work; the runtime's
/// own takes a second one for that.
#[derive(Debug, Default)]
pub struct Stdout {
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl AsyncWrite for Stdout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().poll_flush(context))?;
        let (data, length) = (data.to_vec(), data.len());
        self.writing = Some(spawn_blocking(move || {
            let mut output = io::stdout().lock();
            output.write_all(&data)?;
            output.flush()
        }));
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else {
            return Poll::Ready(Ok(()));
        };
        let written = ready!(Pin::new(writing).poll(context));
        self.writing = None;
        Poll::Ready(written.unwrap_or_else(|ended| Err(ended.into())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
