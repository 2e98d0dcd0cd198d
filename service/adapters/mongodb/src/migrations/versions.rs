//! The versions of the schema. One that was released is never edited; a new one is added.

use std::fmt::{self, Write as _};

use mongodb::bson::{Bson, Document, doc};
use sha2::{Digest as _, Sha256};

use crate::documents::{DEAD, EMAIL_INDEX, LEASES, OUTBOX, PENDING, PURGE_TIME, REQUESTS, USERS};

/// A step from one state of the schema to the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) description: &'static str,
    /// Works with servers that know this version or a later one.
    pub(crate) compatible_from: u32,
    /// In order. Each can be made again without harm.
    pub(crate) changes: Vec<Change>,
}

/// Something that changes the schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// The collection is there, and what is written to it has to match.
    Collection {
        name: &'static str,
        validator: Document,
    },
    /// The index is there.
    Index {
        collection: &'static str,
        index: Document,
    },
}

/// All versions, in order.
pub(crate) fn versions() -> Vec<Version> {
    vec![
        Version {
            number: 1,
            description: "users, their outbox, request ids and leases",
            compatible_from: 1,
            changes: first(),
        },
        Version {
            number: 2,
            description: "users can be deleted, and listed",
            // A server that knows version 1 takes a deleted user for one that is there, and is otherwise right.
            compatible_from: 1,
            changes: second(),
        },
    ]
}

impl Version {
    /// Tells this version from any other with the same number: SHA-256 over what it does, as BSON, which the driver may
    /// not write differently some day.
    pub(crate) fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        for change in &self.changes {
            // A document that nests no deeper than ours can always be written.
            let bytes = change.canonical().to_vec().unwrap_or_default();
            hash.update(bytes);
        }
        hash.finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

impl Change {
    /// All of it, in one form.
    fn canonical(&self) -> Document {
        match self {
            Self::Collection { name, validator } => {
                doc! { "collection": *name, "validator": validator.clone() }
            }
            Self::Index { collection, index } => {
                doc! { "collection": *collection, "index": index.clone() }
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collection { name, .. } => write!(f, "collection {name}"),
            Self::Index { collection, index } => {
                let name = index.get_str("name").unwrap_or_default();
                write!(f, "index {name} on {collection}")
            }
        }
    }
}

fn first() -> Vec<Change> {
    vec![
        collection(USERS, user()),
        index(
            USERS,
            doc! { "name": EMAIL_INDEX, "key": { "email_key": 1 }, "unique": true },
        ),
        collection(OUTBOX, event()),
        index(
            OUTBOX,
            doc! {
                "name": PENDING,
                "key": { "state": 1, "occurred_at": 1, "aggregateid": 1, "version": 1 },
                "partialFilterExpression": { "state": PENDING },
            },
        ),
        index(
            OUTBOX,
            doc! {
                "name": DEAD,
                "key": { "occurred_at": 1, "aggregateid": 1, "version": 1 },
                "partialFilterExpression": { "state": DEAD },
            },
        ),
        index(OUTBOX, expiry()),
        collection(REQUESTS, request()),
        index(REQUESTS, expiry()),
        collection(LEASES, object(&[("epoch", "long"), ("until", "date")])),
    ]
}

fn second() -> Vec<Change> {
    vec![
        collection(
            USERS,
            with_optional(user(), &[("delete_time", "date"), (PURGE_TIME, "date")]),
        ),
        index(
            USERS,
            doc! { "name": "purge_time_1", "key": { PURGE_TIME: 1 }, "expireAfterSeconds": 0 },
        ),
        index(
            USERS,
            doc! { "name": "create_time_1__id_1", "key": { "create_time": 1, "_id": 1 } },
        ),
    ]
}

fn collection(name: &'static str, schema: Document) -> Change {
    Change::Collection {
        name,
        validator: doc! { "$jsonSchema": schema },
    }
}

const fn index(collection: &'static str, index: Document) -> Change {
    Change::Index { collection, index }
}

/// Documents go when the time that they name has come.
fn expiry() -> Document {
    doc! { "name": "expires_at_1", "key": { "expires_at": 1 }, "expireAfterSeconds": 0 }
}

fn user() -> Document {
    object(&[
        ("_id", "binData"),
        ("name", "string"),
        ("email", "string"),
        ("email_key", "string"),
        ("create_time", "date"),
        ("update_time", "date"),
        ("version", "long"),
    ])
}

fn event() -> Document {
    object(&[
        ("_id", "binData"),
        ("aggregatetype", "string"),
        ("aggregateid", "string"),
        ("type", "string"),
        ("payload", "object"),
        ("version", "long"),
        ("occurred_at", "date"),
        ("state", "string"),
        ("attempts", "int"),
    ])
}

fn request() -> Document {
    object(&[
        ("_id", "binData"),
        ("fingerprint", "binData"),
        ("user_id", "binData"),
        ("expires_at", "date"),
    ])
}

/// The schema of a document that has these fields, of these types, and may have others.
fn object(fields: &[(&str, &str)]) -> Document {
    let required: Vec<Bson> = fields.iter().map(|(name, _)| (*name).into()).collect();
    let properties: Document = fields
        .iter()
        .map(|(name, bson_type)| ((*name).to_owned(), doc! { "bsonType": *bson_type }.into()))
        .collect();
    doc! { "bsonType": "object", "required": required, "properties": properties }
}

/// The schema with more fields, which need not be there but are of these types if they are.
fn with_optional(mut schema: Document, fields: &[(&str, &str)]) -> Document {
    if let Ok(properties) = schema.get_document_mut("properties") {
        for (name, bson_type) in fields {
            properties.insert(*name, doc! { "bsonType": *bson_type });
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::{SCHEMA_KNOWN, SCHEMA_NEEDED};

    #[test]
    fn versions_are_counted_from_one_up_to_what_is_known() {
        let versions = versions();
        let numbers: Vec<u32> = versions.iter().map(|version| version.number).collect();
        let expected: Vec<u32> = (1..=SCHEMA_KNOWN).collect();
        assert_eq!(numbers, expected);
        const { assert!(SCHEMA_NEEDED <= SCHEMA_KNOWN) };
        for version in versions {
            assert!(version.compatible_from <= version.number);
        }
    }

    /// Whoever edits a version meets databases that have it in its old form.
    #[test]
    fn released_versions_are_as_they_were() {
        let checksums: Vec<String> = versions().iter().map(Version::checksum).collect();
        assert_eq!(
            checksums,
            [
                "a99fdeeafa709b706964d89a5a1116201c94ab97b47d2fc784267a10b67aae9b",
                "cee3737fd3040269f18a0cfc2cefa71a42725245be2731a5b7574e093a7434a3",
            ],
            "add a version instead of editing one"
        );
    }
}
