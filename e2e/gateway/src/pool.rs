//! Connections to `PostgreSQL`, bounded, and kept for the next who needs one: a fresh one costs many times a statement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Config;

use crate::engine::Engine;
use crate::failure::{Code, Failure, RETRYABLE_WRITE};

/// How long to wait for a connection. Who waited in vain may try again.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections.
pub(crate) struct Pool {
    config: Config,
    idle: Mutex<Vec<Engine>>,
    slots: Arc<Semaphore>,
    /// Fewer than the slots: transactions cannot keep everything else out.
    held_slots: Arc<Semaphore>,
}

impl Pool {
    /// At most `connections` at a time, of which three quarters may be held by transactions.
    pub(crate) fn new(config: Config, connections: usize) -> Self {
        let held = (connections * 3 / 4).max(1);
        Self {
            config,
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(connections.max(2))),
            held_slots: Arc::new(Semaphore::new(held)),
        }
    }

    /// A connection for one statement.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Lease, Failure> {
        self.lease(None).await
    }

    /// A connection that is held between statements.
    pub(crate) async fn acquire_held(self: &Arc<Self>) -> Result<Lease, Failure> {
        let held = slot(&self.held_slots).await?;
        self.lease(Some(held)).await
    }

    async fn lease(self: &Arc<Self>, held: Option<OwnedSemaphorePermit>) -> Result<Lease, Failure> {
        let slot = slot(&self.slots).await?;
        let engine = match self.take_idle() {
            Some(engine) => engine,
            None => Engine::connect(&self.config)
                .await
                .map_err(|_| unavailable("the engine cannot be reached"))?,
        };
        Ok(Lease {
            engine: Some(engine),
            clean: true,
            pool: Arc::clone(self),
            _slot: slot,
            _held: held,
        })
    }

    fn take_idle(&self) -> Option<Engine> {
        let mut idle = self.lock();
        while let Some(engine) = idle.pop() {
            if !engine.is_closed() {
                return Some(engine);
            }
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Engine>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn slot(slots: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
    let acquired = tokio::time::timeout(ACQUIRE_TIMEOUT, Arc::clone(slots).acquire_owned()).await;
    // The semaphore is never closed.
    match acquired {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(unavailable("all connections to the engine are in use")),
    }
}

/// Nothing was done, so all of it may be tried again.
fn unavailable(message: &str) -> Failure {
    Failure::new(Code::TEMPORARILY_UNAVAILABLE, message).label(RETRYABLE_WRITE)
}

/// A connection in use. It goes back when this is dropped, unless something is left on it.
pub(crate) struct Lease {
    engine: Option<Engine>,
    clean: bool,
    pool: Arc<Pool>,
    _slot: OwnedSemaphorePermit,
    _held: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// The connection.
    pub(crate) fn engine(&self) -> Result<&Engine, Failure> {
        self.engine
            .as_ref()
            .ok_or_else(|| unavailable("the connection to the engine is gone"))
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        self.clean = false;
        let begin = "begin isolation level repeatable read";
        self.engine()?.control(begin).await
    }

    /// Ends the transaction.
    pub(crate) async fn end(mut self, how: End) -> Result<(), Failure> {
        let sql = match how {
            End::Commit => "commit",
            End::Rollback => "rollback",
        };
        self.engine()?.control(sql).await?;
        self.clean = true;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let engine = self.engine.take().filter(|engine| !engine.is_closed());
        if let Some(engine) = engine.filter(|_| self.clean) {
            self.pool.lock().push(engine);
        }
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it is kept.
    Commit,
    /// None of it is.
    Rollback,
}
