//! Calls to the driver on tasks of their own, none without an end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::context::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::{timeout, timeout_at};
use tokio_util::task::TaskTracker;
use user_application::RepositoryError;

use crate::observer::{Turn, watched};
use crate::trace::{self, Operation};
use crate::{DatabaseError, StorageObserver};

/// How long after its deadline a call may still be under way. A server that answers at all has answered by then; of one
/// that does not, the driver closes the connection. Who waits in the driver for a connection waits as long, though its
/// caller does not, and is told of as too late only then.
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
    observer: Arc<dyn StorageObserver>,
}

impl Bounded {
    /// At most `slots` calls at a time that have to queue.
    pub(crate) fn new(slots: u32, observer: Arc<dyn StorageObserver>) -> Self {
        let slots = usize::try_from(slots).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            tasks: TaskTracker::new(),
            slots: Arc::new(Semaphore::new(slots.clamp(1, Semaphore::MAX_PERMITS))),
            observer,
        }
    }

    /// Begins the work as soon as there is a slot, and waits for it until the deadline. Work that has begun goes on when
    /// the caller waits no more.
    pub(crate) async fn queued<T: Send + 'static>(
        &self,
        operation: Operation,
        deadline: Instant,
        work: impl Future<Output = Result<T, RepositoryError>> + Send + 'static,
    ) -> Result<T, RepositoryError> {
        let span = trace::begin(operation);
        let of_work = span.clone();
        let waiting = async {
            let slot = self.turn(deadline).await?;
            let work = async {
                let done = work.await;
                drop(slot);
                if let Some(span) = of_work {
                    trace::end(&span, &done);
                }
                done
            };
            self.at_once(deadline, work).await
        };
        let Some(span) = span else {
            return waiting.await;
        };
        let _waits = trace::Waits::new(&span, deadline);
        let done = waiting.with_context(span.clone()).await;
        trace::end(&span, &done);
        done
    }

    async fn turn(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, DatabaseError> {
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => return Ok(slot),
            Err(TryAcquireError::Closed) => return Err(DatabaseError::Closed),
            Err(TryAcquireError::NoPermits) => {}
        }
        let turn = Turn::awaited(&*self.observer);
        let slots = Arc::clone(&self.slots);
        match timeout_at(deadline.into(), slots.acquire_owned()).await {
            Ok(Ok(slot)) => {
                turn.came();
                Ok(slot)
            }
            Ok(Err(_)) => Err(DatabaseError::Closed),
            Err(_) => {
                turn.came_too_late();
                Err(DatabaseError::TimedOut)
            }
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
        let work = timeout_at(end.into(), watched(&self.observer, work)).with_current_context();
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::ConnectionEvent;
    use crate::observer::tests::Heard;

    const LONG: Duration = Duration::from_secs(30);

    async fn call(calls: &Bounded, within: Duration) -> Result<(), RepositoryError> {
        let nothing = async { Ok(()) };
        calls
            .queued(Operation::Find, Instant::now() + within, nothing)
            .await
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_is_told_of_with_what_became_of_it() {
        let heard = Heard::default();
        let calls = Bounded::new(1, Arc::new(heard.clone()));
        call(&calls, LONG).await.unwrap();
        assert_eq!(heard.take(), [], "nobody waited");

        let (release, released) = oneshot::channel::<()>();
        let first = async {
            let deadline = Instant::now() + LONG;
            let work = async {
                let _ = released.await;
                Ok::<(), RepositoryError>(())
            };
            calls.queued(Operation::Find, deadline, work).await
        };
        let others = async {
            let refused = |is_timeout| ConnectionEvent::Refused { is_timeout };
            let late = call(&calls, Duration::from_millis(1)).await;
            let Err(RepositoryError::Unavailable(late)) = late else {
                panic!("{late:?}");
            };
            assert_eq!(late.downcast_ref(), Some(&DatabaseError::TimedOut));
            assert_eq!(heard.take(), [ConnectionEvent::Awaited, refused(true)]);

            let given_up = timeout(Duration::from_millis(1), call(&calls, LONG)).await;
            assert!(given_up.is_err());
            assert_eq!(heard.take(), [ConnectionEvent::Awaited, refused(false)]);

            let began = Instant::now();
            let patient = async { call(&calls, LONG).await };
            let end = async { release.send(()).unwrap() };
            let (patient, ()) = tokio::join!(patient, end);
            patient.unwrap();
            let events = heard.take();
            let [ConnectionEvent::Awaited, ConnectionEvent::Admitted(waited)] = *events else {
                panic!("{events:?}");
            };
            assert!(waited <= began.elapsed());
        };
        let (first, ()) = tokio::join!(first, others);
        first.unwrap();
    }
}
