//! Calls to the driver on tasks of their own, none without an end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::context::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};
use tokio_util::task::TaskTracker;

use crate::DatabaseError;
use crate::trace::{self, Operation};

/// How long after its deadline a call may still be under way. A server that answers at all has answered by then; of one
/// that does not, the driver closes the connection.
const GRACE: Duration = Duration::from_secs(5);

/// What is left until the deadline, to tell the server.
///
/// # Errors
/// `TimedOut` below a millisecond: the server counts those, and takes none for no limit.
pub(crate) fn left(deadline: Instant) -> Result<Duration, DatabaseError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left < Duration::from_millis(1) {
        return Err(DatabaseError::TimedOut);
    }
    Ok(left)
}

/// Runs calls to the driver.
#[derive(Clone, Debug)]
pub(crate) struct Bounded {
    tasks: TaskTracker,
    /// Who waits for a connection waits here, where it costs nothing to give up.
    slots: Arc<Semaphore>,
}

impl Bounded {
    /// At most `slots` calls at a time that have to queue.
    pub(crate) fn new(slots: u32) -> Self {
        let slots = usize::try_from(slots).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            tasks: TaskTracker::new(),
            slots: Arc::new(Semaphore::new(slots.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// Begins the work as soon as there is a slot, and waits for it until the deadline. Work that has begun goes on when
    /// the caller waits no more.
    pub(crate) async fn queued<T, E>(
        &self,
        operation: Operation,
        deadline: Instant,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let waiting = async {
            let slots = Arc::clone(&self.slots);
            let slot = match timeout_at(deadline.into(), slots.acquire_owned()).await {
                Ok(Ok(slot)) => slot,
                Ok(Err(_)) => return Err(DatabaseError::Closed.into()),
                Err(_) => return Err(DatabaseError::TimedOut.into()),
            };
            let work = async {
                let done = work.await;
                drop(slot);
                done
            };
            self.at_once(deadline, work).await
        };
        match trace::begin(operation) {
            Some(span) => waiting.with_context(span).await,
            None => waiting.await,
        }
    }

    /// The same without a slot, for the few that run in the background.
    pub(crate) async fn at_once<T, E>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        if Instant::now() >= deadline {
            return Err(DatabaseError::TimedOut.into());
        }
        let end = deadline + GRACE;
        let work = timeout_at(end.into(), work).with_current_context();
        let task = self.tasks.spawn(work);
        match timeout_at(deadline.into(), task).await {
            Ok(Ok(Ok(done))) => done,
            Ok(Err(_)) => Err(DatabaseError::Driver("a task ended early").into()),
            Ok(Ok(Err(_))) | Err(_) => Err(DatabaseError::TimedOut.into()),
        }
    }

    /// Begins nothing more that queues, and waits for what is under way; whether all of it ended.
    pub(crate) async fn close(&self, limit: Duration) -> bool {
        self.slots.close();
        self.tasks.close();
        timeout(limit, self.tasks.wait()).await.is_ok()
    }
}
