//! Until when this replica may write.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::{
    sync::{OwnedRwLockReadGuard, RwLock, watch},
    time::{Instant, sleep_until},
};

/// A write was not begun, since the claim to lead may end before it does.
#[derive(Debug, thiserror::Error)]
#[error("this replica does not lead, or not for long enough")]
pub(crate) struct NotLeading;

/// A write was given up, since it did not end within its bound.
#[derive(Debug, thiserror::Error)]
#[error("the write took too long")]
pub(crate) struct Late;

/// Until when this replica may write, shared between who renews it and who writes.
#[derive(Clone)]
pub(crate) struct Claim {
    until: Arc<watch::Sender<State>>,
    /// Read by each write for as long as it lasts.
    writes: Arc<RwLock<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Not yet.
    Waiting,
    /// Until then.
    Until(Instant),
    /// Not any more.
    Closed,
}

/// A write that has begun.
pub(crate) struct Write {
    /// When it has to have ended.
    deadline: Instant,
    _begun: OwnedRwLockReadGuard<()>,
}

impl Write {
    /// Does the work of the write, and gives it up when it is late. The time is looked at before
    /// each step: a process that was frozen must not go on with what it had begun, and timers do
    /// not fire before what else is due.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Late> {
        let mut work = pin!(work);
        let mut late = pin!(sleep_until(self.deadline));
        poll_fn(|context| {
            if Instant::now() >= self.deadline || late.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(Late));
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }
}

impl Claim {
    pub(crate) fn new() -> Self {
        Self {
            until: Arc::new(watch::Sender::new(State::Waiting)),
            writes: Arc::default(),
        }
    }

    /// Begins a write that takes `bound` at most, if the claim outlasts it.
    pub(crate) fn begin(&self, bound: Duration) -> Result<Write, NotLeading> {
        // Before the look at the state, so that whoever closes waits for this write or stops it.
        let begun = Arc::clone(&self.writes)
            .try_read_owned()
            .map_err(|_| NotLeading)?;
        let deadline = Instant::now() + bound;
        match *self.until.borrow() {
            State::Until(until) if deadline < until => Ok(Write {
                deadline,
                _begun: begun,
            }),
            _ => Err(NotLeading),
        }
    }

    /// Waits until this replica leads. Whether it had to wait.
    pub(crate) async fn held(&self) -> bool {
        let mut state = self.until.subscribe();
        let waited = *state.borrow_and_update() == State::Waiting;
        // An error means that nobody will renew it any more; then no write begins either.
        let _ = state.wait_for(|state| *state != State::Waiting).await;
        waited
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(*self.until.borrow(), State::Until(until) if Instant::now() < until)
    }

    pub(super) fn was_held(&self) -> bool {
        *self.until.borrow() != State::Waiting
    }

    /// Holds the claim until then. Whether it was not held before.
    pub(crate) fn extend(&self, until: Instant) -> bool {
        let before = self.until.send_replace(State::Until(until));
        before == State::Waiting
    }

    /// Lets no write begin from here on, and waits for those that have begun.
    pub(super) async fn close(&self) {
        self.until.send_replace(State::Closed);
        drop(self.writes.write().await);
    }
}
