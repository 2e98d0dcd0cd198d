//! Commands that write.

use bson::{Bson, Document, RawDocumentBuf};

use super::Answer;
use crate::command::Command;
use crate::engine::{Engine, document};
use crate::failure::{Code, Failure, encode};
use crate::operation::Operation;
use crate::{duplicate, sqlstate};

macro_rules! function {
    ($name:literal) => {
        concat!(
            "select documentdb_core.bson_send(p_result) from documentdb_api.",
            $name,
            "($1, $2::bytea::documentdb_core.bson)"
        )
    };
}

/// Inserts, updates or deletes.
pub(super) async fn write(
    operation: Operation,
    engine: &Engine,
    command: &Command,
) -> Result<Answer, Failure> {
    let sql = match operation {
        Operation::Update => function!("update"),
        Operation::Delete => function!("delete"),
        _ => function!("insert"),
    };
    let spec = command.body.as_bytes();
    let limit = command.envelope.limit;
    let row = engine.call(sql, &[&command.database, &spec], limit).await?;
    let body = document(&row, 0)?;
    match body.get("writeErrors") {
        Ok(None) => Ok(body.into()),
        _ => mapped(engine, command, &body).await.map(Answer::from),
    }
}

/// Finds one document and changes it.
pub(super) async fn find_and_modify(engine: &Engine, command: &Command) -> Result<Answer, Failure> {
    let sql = function!("find_and_modify");
    let spec = command.body.as_bytes();
    let limit = command.envelope.limit;
    let called = engine.call(sql, &[&command.database, &spec], limit).await;
    match called {
        Ok(row) => Ok(document(&row, 0)?.into()),
        Err(failure) if failure.code == Code::DUPLICATE_KEY => {
            // A failed statement leaves nothing to ask the engine with, so the key stays unsaid.
            let message = duplicate::message(command, &failure.message);
            Err(Failure { message, ..failure })
        }
        Err(failure) => Err(failure),
    }
}

/// The answer with MongoDB's numbers in its write errors.
async fn mapped(
    engine: &Engine,
    command: &Command,
    body: &RawDocumentBuf,
) -> Result<RawDocumentBuf, Failure> {
    let strange = |_| Failure::new(Code::INTERNAL_ERROR, "strange write errors");
    let mut answer = Document::try_from(body.as_ref()).map_err(strange)?;
    // Nothing was written, so that all of it can be tried again.
    let nothing = answer.get_i32("n").is_ok_and(|n| n == 0);
    let Ok(errors) = answer.get_array_mut("writeErrors") else {
        return Ok(body.clone());
    };
    for error in errors {
        let Bson::Document(error) = error else {
            continue;
        };
        let number = error.get_i32("code").unwrap_or_default();
        let state = sqlstate::unpack(number);
        let Some(code) = state.and_then(|state| sqlstate::code(&state)) else {
            continue;
        };
        if code == Code::WRITE_CONFLICT && (nothing || command.envelope.in_transaction()) {
            return Err(Failure::new(code, code.1));
        }
        error.insert("code", code.0);
        if code == Code::DUPLICATE_KEY {
            duplicate::describe(engine, command, error).await;
        }
    }
    Ok(encode(&answer))
}
