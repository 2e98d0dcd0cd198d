//! What errors say, and what they do not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mongodb::bson::doc;
use support::{collection, options, storage_with, uri};
use user_adapter_mongodb::{ConnectError, DatabaseError, MongoStorage};
use user_application::testkit::{new_user, write};
use user_application::{RepositoryError, UserRepository};

const PASSWORD: &str = "s3cr3t-w0rd";

/// Everything that a log could get out of an error.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        let _ = write!(text, " {error}");
        next = error.source();
    }
    text
}

fn says_nothing_of(error: &(dyn Error + 'static), secrets: &[&str]) {
    let text = text(error);
    for secret in secrets {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_malformed_connection_string_is_not_quoted() {
    for uri in [
        format!("mongodb://ada:{PASSWORD}@@host/"),
        format!("mongodb://ada:{PASSWORD}@host:port/"),
        format!("mongodb://ada:{PASSWORD}/@host"),
        format!("mongodb://ada:{PASSWORD}@host/?authMechanism={PASSWORD}"),
        format!("mongodb://ada:{PASSWORD}@host/?maxPoolSize={PASSWORD}"),
        format!("mongodb://host/?tlsCAFile=/{PASSWORD}&tls=true"),
        format!("postgres://ada:{PASSWORD}@host/"),
    ] {
        let error = MongoStorage::connect(&uri, options()).await.unwrap_err();
        says_nothing_of(&error, &[PASSWORD, "ada", "host/"]);
    }
    let error = MongoStorage::connect("localhost:27017", options()).await;
    assert_eq!(error.unwrap_err(), ConnectError::Scheme);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unavailable_soon_and_not_quoted() {
    let uri = format!("mongodb://ada:{PASSWORD}@127.0.0.1:1/?replicaSet=rs0");
    let storage = MongoStorage::connect(&uri, options()).await.unwrap();
    let began = Instant::now();
    let error = storage.ping().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(4));
    says_nothing_of(&error, &[PASSWORD, "ada", "127.0.0.1"]);
    let (user, event) = new_user(1, "ada@example.com");
    let error = storage
        .create(user, event, None, write())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RepositoryError::Unavailable(_)),
        "{error:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    says_nothing_of(&error, &[PASSWORD, "ada", "127.0.0.1", "example.com"]);
    let debug = format!("{storage:?}");
    assert!(!debug.contains(PASSWORD), "{debug}");
}

#[tokio::test]
async fn a_document_that_the_database_refuses_is_not_quoted() {
    let options = options();
    let database = options.database.clone();
    let storage = storage_with(&uri(), options).await;
    let index = doc! { "createIndexes": "users", "indexes": [
        { "key": { "name": 1 }, "name": "name_1", "unique": true }
    ], "writeConcern": { "w": "majority", "j": true } };
    support::database(&database)
        .await
        .run_command(index)
        .await
        .unwrap();
    for (number, name) in [(1, "one"), (1, "two"), (2, "one")] {
        let (user, event) = new_user(number, &format!("{name}@example.com"));
        if let Err(error) = storage.create(user, event, None, write()).await {
            says_nothing_of(&error, &["example.com", "User 1", "User 2"]);
        }
    }
}

#[tokio::test]
async fn a_stored_user_that_cannot_be_read_is_not_quoted() {
    let options = options();
    let database = options.database.clone();
    let storage = storage_with(&uri(), options).await;
    let (user, event) = new_user(1, "ada@example.com");
    storage
        .create(user.clone(), event, None, write())
        .await
        .unwrap();
    let users = collection(&database, "users").await;
    let spoil = doc! { "$set": { "email": "not-an-address-of-ada" } };
    users.update_many(doc! {}, spoil).await.unwrap();
    let error = storage.get(user.id(), write().deadline).await.unwrap_err();
    says_nothing_of(&error, &["not-an-address"]);
    let RepositoryError::Unavailable(source) = error else {
        panic!("{error:?}")
    };
    let told = source.downcast_ref::<DatabaseError>();
    let expected = DatabaseError::Unreadable {
        collection: "users",
        field: "email",
    };
    assert_eq!(told, Some(&expected));
}
