//! Commands that read.

use bson::{RawBsonRef, RawDocumentBuf};

use super::{Answer, Opened};
use crate::command::Command;
use crate::cursors::Cursor;
use crate::engine::{Engine, document, optional_document};
use crate::failure::{Code, Failure};
use crate::operation::Operation;

macro_rules! first_page {
    ($function:literal) => {
        concat!(
            "select documentdb_core.bson_send(cursorpage), documentdb_core.bson_send(continuation) \
             from documentdb_api.",
            $function,
            "($1, $2::bytea::documentdb_core.bson)"
        )
    };
}

const GET_MORE: &str = "select documentdb_core.bson_send(cursorpage), \
     documentdb_core.bson_send(continuation) from documentdb_api.cursor_get_more(\
     $1, $2::bytea::documentdb_core.bson, $3::bytea::documentdb_core.bson)";
const COUNT: &str = "select documentdb_core.bson_send(document) \
     from documentdb_api.count_query($1, $2::bytea::documentdb_core.bson)";
const DISTINCT: &str = "select documentdb_core.bson_send(document) \
     from documentdb_api.distinct_query($1, $2::bytea::documentdb_core.bson)";

/// Runs a query up to its first page.
pub(super) async fn first_page(
    operation: Operation,
    engine: &Engine,
    command: &Command,
) -> Result<Answer, Failure> {
    let sql = match operation {
        Operation::Aggregate => first_page!("aggregate_cursor_first_page"),
        Operation::ListCollections => first_page!("list_collections_cursor_first_page"),
        Operation::ListIndexes => first_page!("list_indexes_cursor_first_page"),
        _ => first_page!("find_cursor_first_page"),
    };
    let spec = command.body.as_bytes();
    let limit = command.envelope.limit;
    let row = engine.call(sql, &[&command.database, &spec], limit).await?;
    page(document(&row, 0)?, optional_document(&row, 1)?)
}

/// Goes on with a query.
pub(super) async fn next_page(
    engine: &Engine,
    command: &Command,
    cursor: &Cursor,
) -> Result<Answer, Failure> {
    let spec = command.body.as_bytes();
    let continuation = cursor.continuation.as_bytes();
    let arguments: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&command.database, &spec, &continuation];
    let limit = command.envelope.limit;
    let row = engine.call(GET_MORE, &arguments, limit).await?;
    page(document(&row, 0)?, optional_document(&row, 1)?)
}

/// Asks for one value.
pub(super) async fn value(
    operation: Operation,
    engine: &Engine,
    command: &Command,
) -> Result<Answer, Failure> {
    let sql = if operation == Operation::Count {
        COUNT
    } else {
        DISTINCT
    };
    let spec = command.body.as_bytes();
    let limit = command.envelope.limit;
    let row = engine.call(sql, &[&command.database, &spec], limit).await?;
    Ok(document(&row, 0)?.into())
}

fn page(body: RawDocumentBuf, continuation: Option<RawDocumentBuf>) -> Result<Answer, Failure> {
    let id = match body.get("cursor") {
        Ok(Some(RawBsonRef::Document(cursor))) => cursor.get_i64("id"),
        _ => return Err(Failure::new(Code::INTERNAL_ERROR, "a page without cursor")),
    };
    let id = id.map_err(|_| Failure::new(Code::INTERNAL_ERROR, "a cursor without number"))?;
    let cursor = continuation
        .filter(|_| id != 0)
        .map(|continuation| Opened { id, continuation });
    Ok(Answer { body, cursor })
}
