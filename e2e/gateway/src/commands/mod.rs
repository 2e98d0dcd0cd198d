//! The commands of the database, as calls of the engine's functions.

mod catalog;
mod read;
mod write;

use bson::{RawDocumentBuf, doc};

use crate::command::Command;
use crate::cursors::Cursor;
use crate::engine::Engine;
use crate::failure::{Code, Failure, encode};
use crate::operation::Operation;

/// What a command is answered.
pub(crate) struct Answer {
    /// The document.
    pub(crate) body: RawDocumentBuf,
    /// The cursor that goes on after it.
    pub(crate) cursor: Option<Opened>,
}

impl From<RawDocumentBuf> for Answer {
    fn from(body: RawDocumentBuf) -> Self {
        Self { body, cursor: None }
    }
}

/// A cursor that was opened, or has more.
pub(crate) struct Opened {
    /// Its number.
    pub(crate) id: i64,
    /// What the engine wants to be shown for the next page.
    pub(crate) continuation: RawDocumentBuf,
}

/// Runs a command that is not about an open cursor.
pub(crate) async fn run(
    operation: Operation,
    engine: &Engine,
    command: &Command,
) -> Result<Answer, Failure> {
    match operation {
        Operation::Insert | Operation::Update | Operation::Delete => {
            write::write(operation, engine, command).await
        }
        Operation::FindAndModify => write::find_and_modify(engine, command).await,
        Operation::Find
        | Operation::Aggregate
        | Operation::ListCollections
        | Operation::ListIndexes => read::first_page(operation, engine, command).await,
        Operation::Count | Operation::Distinct => read::value(operation, engine, command).await,
        Operation::Create
        | Operation::CreateIndexes
        | Operation::CollMod
        | Operation::Drop
        | Operation::DropDatabase
        | Operation::DropIndexes
        | Operation::ListDatabases => catalog::run(operation, engine, command).await,
        Operation::GetMore | Operation::KillCursors => Err(Failure::new(
            Code::INTERNAL_ERROR,
            "a cursor's command is not for the engine alone",
        )),
    }
}

/// The next page of a cursor.
pub(crate) async fn get_more(
    engine: &Engine,
    command: &Command,
    cursor: &Cursor,
) -> Result<Answer, Failure> {
    read::next_page(engine, command, cursor).await
}

/// The answer that has nothing to say.
fn done() -> Answer {
    encode(&doc! { "ok": 1.0 }).into()
}
