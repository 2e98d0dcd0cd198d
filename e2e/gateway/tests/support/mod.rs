//! What the tests share: a client as our service sets one up, and a collection of its own for each test.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers fail the test, and not each test needs all of them"
)]

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, TransactionOptions, WriteConcern,
};
use mongodb::{Client, ClientSession, Collection, Database};

pub(crate) const WRITE_CONFLICT: i32 = 112;
pub(crate) const DUPLICATE_KEY: i32 = 11_000;
pub(crate) const TRANSIENT: &str = "TransientTransactionError";

/// How a commit has to be answered for.
pub(crate) fn majority() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build()
}

/// The client that `TEST_MONGODB_URI` leads to, with the concerns that the gateway asks for.
pub(crate) async fn client() -> Client {
    client_with(Some(majority())).await
}

/// The same with another write concern.
pub(crate) async fn client_with(concern: Option<WriteConcern>) -> Client {
    let uri = std::env::var("TEST_MONGODB_URI")
        .expect("TEST_MONGODB_URI has to name a running gateway, mongodb://HOST:PORT/");
    let mut options = ClientOptions::parse(uri).await.unwrap();
    options.write_concern = concern;
    options.read_concern = Some(ReadConcern::majority());
    options.max_pool_size = Some(64);
    options.max_connecting = Some(16);
    options.server_selection_timeout = Some(Duration::from_secs(5));
    Client::with_options(options).unwrap()
}

/// An empty database of this name.
pub(crate) async fn database(client: &Client, name: &str) -> Database {
    let database = client.database(&format!("gateway_{name}"));
    database.drop().await.unwrap();
    database
}

/// A session in which a transaction has begun.
pub(crate) async fn begun(client: &Client) -> ClientSession {
    let mut session = client.start_session().await.unwrap();
    begin(&mut session).await;
    session
}

/// Begins a transaction.
pub(crate) async fn begin(session: &mut ClientSession) {
    let options = TransactionOptions::builder()
        .read_concern(ReadConcern::snapshot())
        .write_concern(majority())
        .build();
    session
        .start_transaction()
        .with_options(options)
        .await
        .unwrap();
}

/// The number of an error.
pub(crate) fn code(error: &Error) -> i32 {
    match &*error.kind {
        ErrorKind::Command(command) => command.code,
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code,
        ErrorKind::InsertMany(many) => many
            .write_errors
            .as_ref()
            .and_then(|errors| errors.first())
            .map_or(0, |error| error.code),
        _ => 0,
    }
}

/// How many documents there are.
pub(crate) async fn count(collection: &Collection<Document>) -> u64 {
    collection.count_documents(doc! {}).await.unwrap()
}
