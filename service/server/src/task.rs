//! Tasks that last as long as the service.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A task, and the way to ask it to end.
#[derive(Debug)]
pub(crate) struct Task<T> {
    handle: JoinHandle<T>,
    stop: CancellationToken,
}

impl<T> Task<T> {
    pub(crate) fn spawn(start: impl FnOnce(CancellationToken) -> JoinHandle<T>) -> Self {
        let stop = CancellationToken::new();
        Self {
            handle: start(stop.clone()),
            stop,
        }
    }

    /// Resolves when the task ends by itself.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.handle).await;
    }

    /// Asks the task to end and waits for it; `None` if it panicked.
    pub(crate) async fn stop(&mut self) -> Option<T> {
        self.stop.cancel();
        match (&mut self.handle).await {
            Ok(result) => Some(result),
            Err(error) => {
                tracing::error!(%error, "a task failed");
                None
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
