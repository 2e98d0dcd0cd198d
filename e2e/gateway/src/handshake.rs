//! Commands about the connection and the server, answered without the engine.

use bson::{Bson, DateTime, Document, doc};

use crate::command::Command;
use crate::sessions::SESSION_MINUTES;
use crate::wire::MAX_MESSAGE;

/// Said wherever somebody may look for MongoDB.
pub(crate) const NOTICE: &str = "NOT MongoDB: mongodb-gateway, a test double of MongoDB's wire over the DocumentDB engine (PostgreSQL)";
/// The version of MongoDB that clients take it for.
const VERSION: [i32; 3] = [7, 0, 0];
/// Its wire version: clientBulkWrite, of 25, is not offered.
const WIRE_VERSION: i32 = 21;
const MAX_DOCUMENT: i32 = 16 * 1024 * 1024;
/// What the engine takes; MongoDB takes four times as many.
const MAX_BATCH: i32 = 25_000;

/// The answer, if the command is one of these.
pub(crate) fn answer(command: &Command, advertised: &str, now: DateTime) -> Option<Document> {
    Some(match command.name.as_str() {
        "hello" | "ismaster" | "isMaster" => hello(advertised, now),
        "buildInfo" | "buildinfo" => build_info(),
        "ping" | "refreshSessions" | "startSession" => doc! { "ok": 1.0 },
        "connectionStatus" => doc! {
            "authInfo": { "authenticatedUsers": [], "authenticatedUserRoles": [] },
            "ok": 1.0,
        },
        "getParameter" => doc! {
            "featureCompatibilityVersion": { "version": "7.0" },
            "ok": 1.0,
        },
        _ => return None,
    })
}

/// Without a topology version, so that clients ask again instead of waiting for a change.
fn hello(advertised: &str, now: DateTime) -> Document {
    doc! {
        "helloOk": true,
        "ismaster": true,
        "isWritablePrimary": true,
        "secondary": false,
        "setName": "rs0",
        "setVersion": 1,
        "hosts": [advertised],
        "me": advertised,
        "primary": advertised,
        "maxBsonObjectSize": MAX_DOCUMENT,
        "maxMessageSizeBytes": MAX_MESSAGE,
        "maxWriteBatchSize": MAX_BATCH,
        "localTime": now,
        "logicalSessionTimeoutMinutes": SESSION_MINUTES,
        "minWireVersion": 0,
        "maxWireVersion": WIRE_VERSION,
        "readOnly": false,
        "notice": NOTICE,
        "ok": 1.0,
    }
}

fn build_info() -> Document {
    let [major, minor, patch] = VERSION;
    let numbers: Vec<Bson> = vec![major.into(), minor.into(), patch.into(), 0.into()];
    doc! {
        "version": format!("{major}.{minor}.{patch}"),
        "versionArray": numbers,
        "gitVersion": "none",
        "modules": ["mongodb-gateway"],
        "bits": 64,
        "debug": false,
        "maxBsonObjectSize": MAX_DOCUMENT,
        "notice": NOTICE,
        "ok": 1.0,
    }
}
