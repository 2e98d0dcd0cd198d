//! Duplicate keys, as MongoDB tells them: with the index by name, and its key where it can be looked up. The value stays
//! unsaid: it is what users stored.

use bson::{Document, RawBsonRef, RawDocumentBuf, doc};

use crate::command::Command;
use crate::engine::{Engine, document};
use crate::failure::encode;

const LIST_INDEXES: &str = "select documentdb_core.bson_send(cursorpage) from \
     documentdb_api.list_indexes_cursor_first_page($1, $2::bytea::documentdb_core.bson)";

/// Makes a write error say what MongoDB's does.
pub(crate) async fn describe(engine: &Engine, command: &Command, error: &mut Document) {
    let told = error.get_str("errmsg").unwrap_or_default();
    let name = index_name(told).map(str::to_owned);
    let message = message(command, told);
    error.insert("errmsg", message);
    if let Some(name) = name
        && let Some(pattern) = key_pattern(engine, command, &name).await
    {
        error.insert("keyPattern", pattern);
    }
}

/// What MongoDB says, with the index in the words of the engine.
pub(crate) fn message(command: &Command, told: &str) -> String {
    let index = index_name(told).unwrap_or("unknown");
    let collection = command.target.as_deref().unwrap_or_default();
    format!(
        "E11000 duplicate key error collection: {}.{collection} index: {index} dup key: not shown",
        command.database
    )
}

/// The name in "… Index 'name'", or in "…, constraint: name".
fn index_name(told: &str) -> Option<&str> {
    let quoted = told.split_once("Index '").and_then(|(_, rest)| {
        let (name, _) = rest.rsplit_once('\'')?;
        Some(name)
    });
    quoted.or_else(|| Some(told.split_once("constraint: ")?.1))
}

async fn key_pattern(engine: &Engine, command: &Command, name: &str) -> Option<Document> {
    let spec = encode(&doc! { "listIndexes": command.target.as_deref()? });
    let bytes = spec.as_bytes();
    let row = engine
        .call(LIST_INDEXES, &[&command.database, &bytes], None)
        .await
        .ok()?;
    key_of(&document(&row, 0).ok()?, name)
}

fn key_of(page: &RawDocumentBuf, name: &str) -> Option<Document> {
    let indexes = page
        .get_document("cursor")
        .ok()?
        .get_array("firstBatch")
        .ok()?;
    indexes
        .into_iter()
        .filter_map(|index| index.ok().and_then(RawBsonRef::as_document))
        .find(|index| index.get_str("name").is_ok_and(|found| found == name))
        .and_then(|index| Document::try_from(index.get_document("key").ok()?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_named() {
        let told = "Duplicate key violation on the requested collection: Index 'email_1'";
        assert_eq!(index_name(told), Some("email_1"));
        assert_eq!(index_name("constraint: c"), Some("c"));
        assert_eq!(index_name("something else"), None);
    }

    #[test]
    fn the_key_is_found_by_the_name_of_the_index() {
        let page = encode(&doc! { "cursor": { "firstBatch": [
            { "key": { "_id": 1 }, "name": "_id_" },
            { "key": { "email": 1 }, "name": "email_1" },
        ] } });
        assert_eq!(key_of(&page, "email_1"), Some(doc! { "email": 1 }));
        assert_eq!(key_of(&page, "other"), None);
    }
}
