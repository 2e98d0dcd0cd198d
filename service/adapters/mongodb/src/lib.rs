//! Driven adapter: users, outbox and request ids in `MongoDB`.
//!
//! What is acknowledged outlives the loss of any minority of the replica set: each write waits for a majority's journal,
//! and what is read cannot be undone. A user, its event and its request id are stored in one transaction. It needs a
//! server that reads snapshots outside transactions, which is 5.0 and later, and a schema that [`Migrations`] makes.
//!
//! The driver's futures are not made to be dropped, so every call to it runs on a task of its own and ends by itself;
//! whoever asked may stop waiting at any time.

mod bounded;
mod dead_letters;
mod documents;
mod error;
mod lease;
mod migrations;
mod observer;
mod options;
mod outbox;
mod storage;
mod telemetry;
mod trace;
mod transaction;
mod users;

pub use error::{ConnectError, DatabaseError};
pub use migrations::{
    Applied, MigrationError, MigrationObserver, Migrations, Planned, SCHEMA_KNOWN, SCHEMA_NEEDED,
    SchemaError,
};
pub use observer::{ConnectionEvent, StorageObserver};
pub use options::{ReadPreference, StorageOptions};
pub use storage::MongoStorage;
