//! Transactions and retryable writes: what depends on where a session is.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bson::{RawDocumentBuf, doc};

use crate::command::Command;
use crate::commands;
use crate::concerns;
use crate::cursors::Owner;
use crate::failure::{Code, Failure, TRANSIENT, UNKNOWN_COMMIT, encode};
use crate::operation::Operation;
use crate::pool::{End, Lease};
use crate::server::Server;
use crate::sessions::{Phase, Session};

/// The longest pause before a conflict is told, for each that pauses, and in all.
const SPREAD: Duration = Duration::from_millis(150);
const MOST_SPREAD: Duration = Duration::from_secs(3);

impl Server {
    /// Runs a statement of a transaction. When it fails the transaction is rolled back.
    pub(crate) async fn statement(
        &self,
        operation: Operation,
        command: &Command,
        owner: Owner,
    ) -> Result<RawDocumentBuf, Failure> {
        let mut session = self.sessions.enter(owner.0).await;
        if command.envelope.start {
            self.begin(&mut session, owner).await?;
        }
        let Phase::Open(lease) = open(&mut session, owner.1)? else {
            return Err(no_such_transaction(owner.1));
        };
        let answered = self.inside(operation, command, owner, lease).await;
        let refused = match &answered {
            Ok(answer) => !matches!(answer.get("writeErrors"), Ok(None)),
            Err(_) => true,
        };
        if refused {
            self.cursors.forget(owner);
            session.roll_back().await;
        }
        if matches!(&answered, Err(failure) if failure.code == Code::WRITE_CONFLICT) {
            let others = self.pausing.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(spread(others)).await;
            self.pausing.fetch_sub(1, Ordering::Relaxed);
        }
        answered.map_err(Failure::in_transaction)
    }

    async fn begin(&self, session: &mut Session, owner: Owner) -> Result<(), Failure> {
        if !session.advance(owner.1).await? {
            return Err(Failure::new(
                Code::CONFLICTING_OPERATION,
                format!("transaction {} has begun already", owner.1),
            ));
        }
        let begun = async {
            let mut lease = self.pool.acquire_held().await?;
            lease.begin().await?;
            Ok(lease)
        };
        let lease = begun.await.map_err(Failure::in_transaction)?;
        session.phase = Phase::Open(Box::new(lease));
        Ok(())
    }

    async fn inside(
        &self,
        operation: Operation,
        command: &Command,
        owner: Owner,
        lease: &Lease,
    ) -> Result<RawDocumentBuf, Failure> {
        if operation == Operation::GetMore {
            return self.get_more(command, lease.engine()?, Some(owner)).await;
        }
        let answer = commands::run(operation, lease.engine()?, command).await?;
        Ok(self.keep(answer, Some(owner)))
    }

    /// Commits. A transaction that was committed already is so again.
    pub(crate) async fn commit(&self, command: &Command) -> Result<RawDocumentBuf, Failure> {
        concerns::check_end(command)?;
        let owner = owner(command)?;
        let mut session = self.sessions.enter(owner.0).await;
        if session.number != owner.1 {
            return Err(no_such_transaction(owner.1));
        }
        match std::mem::replace(&mut session.phase, Phase::Unknown) {
            Phase::Open(lease) => {
                self.cursors.forget(owner);
                let ended = lease.end(End::Commit).await;
                session.phase = match &ended {
                    Ok(()) => Phase::Committed,
                    Err(failure) if failure.code == Code::HOST_UNREACHABLE => Phase::Unknown,
                    Err(_) => Phase::Aborted,
                };
                ended.map_err(|failure| match failure.code {
                    Code::HOST_UNREACHABLE => failure.label(UNKNOWN_COMMIT),
                    _ => failure.in_transaction(),
                })?;
            }
            Phase::Committed => session.phase = Phase::Committed,
            Phase::Unknown => {
                let message = "the connection broke during commit";
                return Err(Failure::new(Code::HOST_UNREACHABLE, message).label(UNKNOWN_COMMIT));
            }
            other => {
                session.phase = other;
                return Err(no_such_transaction(owner.1));
            }
        }
        Ok(encode(&doc! { "ok": 1.0 }))
    }

    /// Rolls back.
    pub(crate) async fn abort(&self, command: &Command) -> Result<RawDocumentBuf, Failure> {
        concerns::check_end(command)?;
        let owner = owner(command)?;
        let mut session = self.sessions.enter(owner.0).await;
        if session.number != owner.1 {
            return Err(no_such_transaction(owner.1));
        }
        match session.phase {
            Phase::Open(_) => {
                self.cursors.forget(owner);
                session.roll_back().await;
                Ok(encode(&doc! { "ok": 1.0 }))
            }
            Phase::Committed => Err(Failure::new(
                Code::TRANSACTION_COMMITTED,
                format!("transaction {} has been committed", owner.1),
            )),
            _ => Err(no_such_transaction(owner.1)),
        }
    }

    /// Runs a write that is sent again when its answer got lost, once.
    pub(crate) async fn retryable(
        &self,
        operation: Operation,
        command: &Command,
        owner: Owner,
    ) -> Result<RawDocumentBuf, Failure> {
        let mut session = self.sessions.enter(owner.0).await;
        session.advance(owner.1).await?;
        match &session.phase {
            Phase::Write(Some(answer)) => return Ok(answer.clone()),
            Phase::Idle | Phase::Write(None) => session.phase = Phase::Write(None),
            _ => {
                return Err(Failure::new(
                    Code::CONFLICTING_OPERATION,
                    format!("{} is the number of a transaction", owner.1),
                ));
            }
        }
        let answer = self.standalone(operation, command).await?;
        session.phase = Phase::Write(Some(answer.clone()));
        Ok(answer)
    }
}

/// A pause before a conflict is told. The engine makes all writers of one key fail each other; when they came back at
/// once, as clients do, none would ever get through. The more there are, the further apart they come.
fn spread(others: u32) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or(0);
    let part = f64::from(random) / f64::from(u32::MAX);
    (SPREAD * others.saturating_add(1))
        .min(MOST_SPREAD)
        .mul_f64(part)
}

/// What the session is at, if that is this transaction.
fn open(session: &mut Session, number: i64) -> Result<&mut Phase, Failure> {
    if session.number == number {
        Ok(&mut session.phase)
    } else {
        Err(no_such_transaction(number))
    }
}

fn owner(command: &Command) -> Result<Owner, Failure> {
    let envelope = &command.envelope;
    envelope.session.zip(envelope.number).ok_or_else(|| {
        let message = format!("{} needs lsid and txnNumber", command.name);
        Failure::new(Code::INVALID_OPTIONS, message)
    })
}

fn no_such_transaction(number: i64) -> Failure {
    let message = format!("transaction {number} is not open");
    Failure::new(Code::NO_SUCH_TRANSACTION, message).label(TRANSIENT)
}
