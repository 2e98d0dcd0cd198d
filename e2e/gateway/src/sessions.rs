//! Logical sessions: the transaction, or the last retryable write, that each is at. As in MongoDB, a session does one
//! thing at a time, and its numbers only grow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::RawDocumentBuf;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::command::SessionId;
use crate::failure::{Code, Failure};
use crate::pool::{End, Lease};

/// Sessions that are remembered; the longest unused makes room.
const MOST: usize = 10_000;
/// A session is forgotten after this time, as `hello` announces.
pub(crate) const SESSION_MINUTES: i32 = 30;
/// A transaction that nobody goes on with is rolled back after this time, as in MongoDB.
const TRANSACTION_IDLE: Duration = Duration::from_secs(60);

/// What a session is at.
pub(crate) enum Phase {
    /// Nothing.
    Idle,
    /// A transaction that goes on.
    Open(Box<Lease>),
    /// A transaction that was committed.
    Committed,
    /// A transaction that was rolled back.
    Aborted,
    /// A transaction of which the connection broke during commit.
    Unknown,
    /// A retryable write, with its answer once it succeeded.
    Write(Option<RawDocumentBuf>),
}

/// A session.
pub(crate) struct Session {
    /// The number of what it is at.
    pub(crate) number: i64,
    /// What it is at.
    pub(crate) phase: Phase,
    used: Instant,
}

impl Session {
    fn new(now: Instant) -> Self {
        Self {
            number: -1,
            phase: Phase::Idle,
            used: now,
        }
    }

    /// Moves on to `number`. Whether it is new; a transaction of a smaller number is rolled back.
    pub(crate) async fn advance(&mut self, number: i64) -> Result<bool, Failure> {
        if number < self.number {
            return Err(Failure::new(
                Code::TRANSACTION_TOO_OLD,
                format!(
                    "the session is at transaction {}, past {number}",
                    self.number
                ),
            ));
        }
        if number == self.number {
            return Ok(false);
        }
        self.roll_back().await;
        self.number = number;
        self.phase = Phase::Idle;
        Ok(true)
    }

    /// Rolls back what is open.
    pub(crate) async fn roll_back(&mut self) {
        if let Phase::Open(_) = self.phase
            && let Phase::Open(lease) = std::mem::replace(&mut self.phase, Phase::Aborted)
        {
            // When it fails the connection is closed, which rolls back as well.
            let _ = lease.end(End::Rollback).await;
        }
    }
}

type Shared = Arc<AsyncMutex<Session>>;

/// All sessions.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SessionId, Shared>>);

impl Sessions {
    /// A session, for as long as the guard is held; its other commands wait.
    pub(crate) async fn enter(&self, id: SessionId) -> OwnedMutexGuard<Session> {
        let now = Instant::now();
        let shared = self.shared(id, now);
        let mut session = shared.lock_owned().await;
        session.used = now;
        session
    }

    fn shared(&self, id: SessionId, now: Instant) -> Shared {
        let mut sessions = self.lock();
        if sessions.len() >= MOST && !sessions.contains_key(&id) {
            evict(&mut sessions);
        }
        let new = || Arc::new(AsyncMutex::new(Session::new(now)));
        Arc::clone(sessions.entry(id).or_insert_with(new))
    }

    /// Forgets a session. A transaction in it is rolled back.
    pub(crate) fn end(&self, id: SessionId) {
        self.lock().remove(&id);
    }

    /// Rolls back what nobody goes on with and forgets what nobody used. The transactions that ended.
    pub(crate) async fn sweep(&self, now: Instant) -> Vec<(SessionId, i64)> {
        let mut ended = Vec::new();
        let all: Vec<_> = {
            let sessions = self.lock();
            sessions.iter().map(|(id, s)| (*id, s.clone())).collect()
        };
        for (id, shared) in all {
            // Who holds it uses it.
            let Ok(mut session) = shared.try_lock() else {
                continue;
            };
            let unused = now.saturating_duration_since(session.used);
            if matches!(session.phase, Phase::Open(_)) && unused >= TRANSACTION_IDLE {
                session.roll_back().await;
                ended.push((id, session.number));
            }
            if unused.as_secs() >= u64::from(SESSION_MINUTES.unsigned_abs()) * 60 {
                self.end(id);
            }
        }
        ended
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room: the longest unused of those that nobody holds and that have no transaction.
fn evict(sessions: &mut HashMap<SessionId, Shared>) {
    let oldest = sessions
        .iter()
        .filter_map(|(id, shared)| {
            let session = shared.try_lock().ok()?;
            let open = matches!(session.phase, Phase::Open(_));
            (!open).then_some((session.used, *id))
        })
        .min();
    if let Some((_, id)) = oldest {
        sessions.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SessionId = [7; 16];

    #[tokio::test]
    async fn numbers_only_grow() {
        let sessions = Sessions::default();
        let mut session = sessions.enter(ID).await;
        assert_eq!(session.advance(3).await, Ok(true));
        session.phase = Phase::Write(None);
        assert_eq!(session.advance(3).await, Ok(false));
        assert!(matches!(session.phase, Phase::Write(None)));
        let old = session.advance(2).await.unwrap_err();
        assert_eq!(old.code, Code::TRANSACTION_TOO_OLD);
        assert_eq!(session.advance(4).await, Ok(true));
        assert!(matches!(session.phase, Phase::Idle));
    }

    #[tokio::test]
    async fn what_a_session_did_is_remembered_until_it_is_old() {
        let sessions = Sessions::default();
        sessions.enter(ID).await.phase = Phase::Committed;
        assert_eq!(sessions.sweep(Instant::now()).await, []);
        assert!(matches!(sessions.enter(ID).await.phase, Phase::Committed));
        sessions
            .sweep(Instant::now() + Duration::from_secs(1801))
            .await;
        assert!(matches!(sessions.enter(ID).await.phase, Phase::Idle));
    }

    #[tokio::test]
    async fn the_number_of_sessions_is_bounded() {
        let sessions = Sessions::default();
        for number in 0..=u128::try_from(MOST).unwrap() {
            drop(sessions.enter(number.to_be_bytes()).await);
        }
        assert_eq!(sessions.lock().len(), MOST);
    }
}
