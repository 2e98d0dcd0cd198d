//! What a message leads to.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use bson::{Bson, DateTime, RawBsonRef, RawDocumentBuf, doc};

use crate::command::{Command, SessionId};
use crate::commands::{self, Answer};
use crate::cursors::{Cursor, Cursors, Owner};
use crate::engine::Engine;
use crate::failure::{Code, Failure, encode};
use crate::operation::Operation;
use crate::pool::Pool;
use crate::sessions::Sessions;
use crate::wire::Message;
use crate::{concerns, handshake};

/// How often a statement outside transactions is tried when it met a conflict. MongoDB does so without end.
const ATTEMPTS: u32 = 8;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(10);

/// Everything that connections share.
pub(crate) struct Server {
    pub(crate) pool: Arc<Pool>,
    pub(crate) sessions: Sessions,
    pub(crate) cursors: Cursors,
    /// Conflicts that are not told yet.
    pub(crate) pausing: AtomicU32,
    advertised: String,
}

impl Server {
    /// A server that tells clients to find it at `advertised`.
    pub(crate) fn new(pool: Arc<Pool>, advertised: String) -> Self {
        Self {
            pool,
            sessions: Sessions::default(),
            cursors: Cursors::default(),
            pausing: AtomicU32::new(0),
            advertised,
        }
    }

    /// Answers a message.
    pub(crate) async fn answer(&self, message: Message) -> RawDocumentBuf {
        let command = match Command::parse(message) {
            Ok(command) => command,
            Err(failure) => return failure.reply(),
        };
        let began = Instant::now();
        let answered = self.dispatch(&command).await;
        let took = began.elapsed();
        match answered {
            Ok(body) => {
                tracing::trace!(command = command.name, ?took, "done");
                body
            }
            Err(failure) => {
                let Code(code, name) = failure.code;
                tracing::debug!(command = command.name, ?took, code, name, "failed");
                failure.reply()
            }
        }
    }

    async fn dispatch(&self, command: &Command) -> Result<RawDocumentBuf, Failure> {
        if let Some(answer) = handshake::answer(command, &self.advertised, DateTime::now()) {
            return Ok(encode(&answer));
        }
        match command.name.as_str() {
            "endSessions" | "killSessions" => return Ok(self.end_sessions(command)),
            "commitTransaction" => return self.commit(command).await,
            "abortTransaction" => return self.abort(command).await,
            _ => {}
        }
        let operation = Operation::named(&command.name).ok_or_else(|| {
            Failure::new(
                Code::COMMAND_NOT_FOUND,
                format!("no such command: '{}'", command.name),
            )
        })?;
        concerns::check(operation, command)?;
        if operation == Operation::KillCursors {
            return Ok(self.kill_cursors(command));
        }
        let envelope = &command.envelope;
        match (envelope.session, envelope.number) {
            (Some(session), Some(number)) if envelope.in_transaction() => {
                self.statement(operation, command, (session, number)).await
            }
            (Some(session), Some(number)) if operation.writes() => {
                self.retryable(operation, command, (session, number)).await
            }
            _ if envelope.in_transaction() => Err(Failure::new(
                Code::INVALID_OPTIONS,
                "a transaction needs lsid and txnNumber",
            )),
            _ => self.standalone(operation, command).await,
        }
    }

    /// Runs a command by itself, again when it met a conflict.
    pub(crate) async fn standalone(
        &self,
        operation: Operation,
        command: &Command,
    ) -> Result<RawDocumentBuf, Failure> {
        if operation == Operation::GetMore {
            let lease = self.pool.acquire().await?;
            return self.get_more(command, lease.engine()?, None).await;
        }
        let began = Instant::now();
        let expired = |limit: Duration| began.elapsed() >= limit;
        let mut attempt = 1;
        loop {
            let lease = self.pool.acquire().await?;
            match commands::run(operation, lease.engine()?, command).await {
                Ok(answer) => return Ok(self.keep(answer, None)),
                Err(failure) if failure.code == Code::WRITE_CONFLICT && attempt < ATTEMPTS => {
                    if command.envelope.limit.is_some_and(expired) {
                        return Err(Failure::new(Code::MAX_TIME_EXPIRED, "conflicts until late"));
                    }
                }
                Err(failure) => return Err(failure),
            }
            drop(lease);
            tokio::time::sleep(ATTEMPT_PAUSE * attempt).await;
            attempt += 1;
        }
    }

    /// The next page of the cursor that the command names.
    pub(crate) async fn get_more(
        &self,
        command: &Command,
        engine: &Engine,
        owner: Option<Owner>,
    ) -> Result<RawDocumentBuf, Failure> {
        let Ok(Some(RawBsonRef::Int64(id))) = command.body.get("getMore") else {
            return Err(Failure::new(Code::TYPE_MISMATCH, "getMore needs a long"));
        };
        let cursor = self.cursors.take(id, owner).ok_or_else(|| {
            Failure::new(Code::CURSOR_NOT_FOUND, format!("cursor id {id} not found"))
        })?;
        let answer = commands::get_more(engine, command, &cursor).await?;
        Ok(self.keep(answer, owner))
    }

    /// Keeps the cursor of an answer.
    pub(crate) fn keep(&self, answer: Answer, owner: Option<Owner>) -> RawDocumentBuf {
        if let Some(opened) = answer.cursor {
            let cursor = Cursor {
                continuation: opened.continuation,
                owner,
            };
            self.cursors.put(opened.id, cursor);
        }
        answer.body
    }

    fn kill_cursors(&self, command: &Command) -> RawDocumentBuf {
        let asked = command.body.get_array("cursors").ok();
        let ids = asked
            .into_iter()
            .flatten()
            .filter_map(|id| id.ok().and_then(RawBsonRef::as_i64));
        let (killed, missing): (Vec<i64>, Vec<i64>) = ids.partition(|id| self.cursors.kill(*id));
        let list = |ids: Vec<i64>| ids.into_iter().map(Bson::Int64).collect::<Vec<_>>();
        encode(&doc! {
            "cursorsKilled": list(killed),
            "cursorsNotFound": list(missing),
            "cursorsAlive": [],
            "cursorsUnknown": [],
            "ok": 1.0,
        })
    }

    fn end_sessions(&self, command: &Command) -> RawDocumentBuf {
        let asked = command.body.get_array(command.name.as_str()).ok();
        for session in asked.into_iter().flatten().flatten() {
            let id = session.as_document().and_then(|s| s.get_binary("id").ok());
            if let Some(id) = id.and_then(|id| SessionId::try_from(id.bytes).ok()) {
                self.sessions.end(id);
            }
        }
        encode(&doc! { "ok": 1.0 })
    }
}
