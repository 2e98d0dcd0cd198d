//! Commands about collections, indexes and databases.

use bson::{Bson, Document, RawDocumentBuf, doc};

use super::{Answer, done};
use crate::command::Command;
use crate::engine::{Engine, document};
use crate::failure::{Code, Failure, encode};
use crate::operation::Operation;
use crate::sqlstate;

const CREATE: &str = "select documentdb_api.create_collection($1, $2)";
const CREATE_WITH_OPTIONS: &str = "select documentdb_core.bson_send(\
     documentdb_api.create_collection_view($1, $2::bytea::documentdb_core.bson))";
/// The last argument says that the collection may exist.
const CREATE_INDEXES: &str = "select documentdb_core.bson_send(\
     documentdb_api_internal.create_indexes_non_concurrently(\
     $1, $2::bytea::documentdb_core.bson, true))";
const COLL_MOD: &str = "select documentdb_core.bson_send(\
     documentdb_api.coll_mod($1, $2, $3::bytea::documentdb_core.bson))";
const DROP: &str = "select documentdb_api.drop_collection($1, $2)";
const DROP_DATABASE: &str = "select documentdb_api.drop_database($1)::text";
const DROP_INDEXES: &str =
    "call documentdb_api.drop_indexes($1, $2::bytea::documentdb_core.bson, null)";
const LIST_DATABASES: &str = "select documentdb_core.bson_send(\
     documentdb_api.list_databases($1::bytea::documentdb_core.bson))";

/// Runs one of them.
pub(super) async fn run(
    operation: Operation,
    engine: &Engine,
    command: &Command,
) -> Result<Answer, Failure> {
    let spec = command.body.as_bytes();
    let database = &command.database;
    let limit = command.envelope.limit;
    match operation {
        Operation::Create => create(engine, command).await,
        Operation::CollMod => {
            let collection = command.collection()?;
            let arguments: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [database, &collection, &spec];
            let row = engine.call(COLL_MOD, &arguments, limit).await?;
            succeeded(&document(&row, 0)?)
        }
        Operation::Drop => {
            let collection = command.collection()?;
            engine.call(DROP, &[database, &collection], limit).await?;
            Ok(done())
        }
        Operation::DropDatabase => {
            engine.call(DROP_DATABASE, &[database], limit).await?;
            Ok(encode(&doc! { "dropped": database, "ok": 1.0 }).into())
        }
        Operation::DropIndexes => {
            let row = engine.call(DROP_INDEXES, &[database, &spec], limit).await?;
            succeeded(&document(&row, 0)?)
        }
        Operation::ListDatabases => {
            let row = engine.call(LIST_DATABASES, &[&spec], limit).await?;
            succeeded(&document(&row, 0)?)
        }
        _ => {
            let arguments: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [database, &spec];
            let row = engine.call(CREATE_INDEXES, &arguments, limit).await?;
            succeeded(&document(&row, 0)?)
        }
    }
}

async fn create(engine: &Engine, command: &Command) -> Result<Answer, Failure> {
    let collection = command.collection()?;
    let database = &command.database;
    let limit = command.envelope.limit;
    // The other function wants options and does not make a plain collection.
    let optional = ["validator", "viewOn"];
    if optional.iter().any(|key| has(&command.body, key)) {
        let spec = command.body.as_bytes();
        let arguments: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [database, &spec];
        let row = engine.call(CREATE_WITH_OPTIONS, &arguments, limit).await?;
        return succeeded(&document(&row, 0)?);
    }
    engine.call(CREATE, &[database, &collection], limit).await?;
    Ok(done())
}

fn has(body: &RawDocumentBuf, key: &str) -> bool {
    matches!(body.get(key), Ok(Some(_)))
}

/// Some functions answer a failure instead of raising it, with their packed number; and `ok` comes as any type.
fn succeeded(body: &RawDocumentBuf) -> Result<Answer, Failure> {
    let strange = |_| Failure::new(Code::INTERNAL_ERROR, "the engine answered strangely");
    let mut answer = Document::try_from(body.as_ref()).map_err(strange)?;
    let ok = match answer.get("ok") {
        Some(Bson::Double(ok)) => *ok > 0.5,
        Some(Bson::Int32(ok)) => *ok == 1,
        Some(Bson::Boolean(ok)) => *ok,
        _ => false,
    };
    if ok {
        answer.insert("ok", 1.0);
        return Ok(encode(&answer).into());
    }
    let state = sqlstate::unpack(answer.get_i32("code").unwrap_or_default());
    let code = state.and_then(|state| sqlstate::code(&state));
    let message = answer.get_str("errmsg").unwrap_or("the engine refused");
    Err(Failure::new(
        code.unwrap_or(Code::INTERNAL_ERROR),
        message.to_owned(),
    ))
}
