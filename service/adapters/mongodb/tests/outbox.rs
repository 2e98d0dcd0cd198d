//! What the contract leaves to the storage: how events are stored, and for how long.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};
use support::{collection, options, storage_with, uri};
use user_adapter_mongodb::{MongoStorage, StorageOptions};
use user_application::testkit::{new_user, renamed, write};
use user_application::{Outbox, RepositoryError, TraceContext, UserRepository, Write};
use user_domain::EventId;

const MANY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

/// A storage that keeps published events for so long, and its outbox as the database has it.
async fn kept_for(retention: Duration) -> (MongoStorage, Collection<Document>) {
    let options = StorageOptions {
        retention,
        ..options()
    };
    let outbox = collection(&options.database, "outbox").await;
    (storage_with(&uri(), options).await, outbox)
}

async fn pending(storage: &MongoStorage) -> Vec<EventId> {
    let records = storage.pending(MANY, &[]).await.unwrap();
    records.iter().map(|record| record.event.id()).collect()
}

#[tokio::test]
async fn an_event_has_the_fields_that_debezium_routes_by() {
    let (storage, outbox) = kept_for(Duration::from_secs(60)).await;
    let (user, event) = new_user(1, "Ada@example.com");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = Write {
        trace: TraceContext::parse(parent, None),
        ..write()
    };
    storage
        .create(user.clone(), event, None, traced)
        .await
        .unwrap();
    let stored = outbox.find_one(doc! {}).await.unwrap().unwrap();
    let id = user.id().to_string();
    assert_eq!(stored.get_str("aggregatetype").unwrap(), "user");
    assert_eq!(stored.get_str("aggregateid").unwrap(), id);
    assert_eq!(stored.get_str("type").unwrap(), "user.created");
    let payload = stored.get_document("payload").unwrap();
    let fields: Vec<&str> = payload.keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "id",
            "name",
            "email",
            "create_time",
            "update_time",
            "version"
        ]
    );
    assert_eq!(payload.get_str("email").unwrap(), "Ada@example.com");
    let trace = stored.get_document("trace").unwrap();
    assert_eq!(trace, &doc! { "parent": parent });
}

#[tokio::test]
async fn a_published_event_is_kept_until_its_time_has_come() {
    let (storage, outbox) = kept_for(Duration::from_secs(3600)).await;
    let (user, event) = new_user(1, "ada@example.com");
    let id = event.id();
    storage.create(user, event, None, write()).await.unwrap();
    storage.acknowledge(&[id]).await.unwrap();
    let stored = outbox.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(stored.get_str("state").unwrap(), "sent");
    let expires_at = stored.get_datetime("expires_at").unwrap().to_system_time();
    let left = expires_at
        .duration_since(std::time::SystemTime::now())
        .unwrap();
    assert!(
        left > Duration::from_secs(3500) && left < Duration::from_secs(3700),
        "{left:?}"
    );
    storage.acknowledge(&[id]).await.unwrap();
    let again = outbox.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(again.get("expires_at"), stored.get("expires_at"));
}

#[tokio::test]
async fn without_retention_a_published_event_is_removed() {
    let (storage, outbox) = kept_for(Duration::ZERO).await;
    let (first, event) = new_user(1, "ada@example.com");
    let id = event.id();
    storage.create(first, event, None, write()).await.unwrap();
    let (second, event) = new_user(2, "grace@example.com");
    let other = event.id();
    storage.create(second, event, None, write()).await.unwrap();
    storage.acknowledge(&[id]).await.unwrap();
    assert_eq!(outbox.count_documents(doc! {}).await.unwrap(), 1);
    assert_eq!(pending(&storage).await, [other]);
}

/// As during a rollout, when the next version of the service writes what this one does not know.
#[tokio::test]
async fn an_event_of_an_unknown_type_waits_and_holds_back_its_user_only() {
    let (storage, outbox) = kept_for(Duration::from_secs(60)).await;
    let (user, event) = new_user(1, "ada@example.com");
    let unknown = event.id();
    storage
        .create(user.clone(), event, None, write())
        .await
        .unwrap();
    let (next, event) = renamed(&user, 1);
    let follows = event.id();
    storage.update(next, event, write()).await.unwrap();
    let (other, event) = new_user(2, "grace@example.com");
    let unrelated = event.id();
    storage.create(other, event, None, write()).await.unwrap();
    let first = doc! { "type": "user.created", "aggregateid": user.id().to_string() };
    let rename = |to: &str| doc! { "$set": { "type": to } };
    outbox
        .update_one(first, rename("user.merged"))
        .await
        .unwrap();
    assert_eq!(pending(&storage).await, [unrelated]);
    assert_eq!(storage.backlog().await.unwrap().pending, 3);
    let unknown_type = doc! { "type": "user.merged" };
    outbox
        .update_one(unknown_type, rename("user.created"))
        .await
        .unwrap();
    assert_eq!(pending(&storage).await, [unknown, follows, unrelated]);
}

#[tokio::test]
async fn many_events_of_an_unknown_type_do_not_hide_the_few_that_can_be_read_behind_them() {
    let (storage, outbox) = kept_for(Duration::from_secs(60)).await;
    let mut readable = Vec::new();
    for number in 1..=15 {
        let (user, event) = new_user(number, &format!("user{number}@example.com"));
        let unknown = doc! { "aggregateid": user.id().to_string() };
        let id = event.id();
        storage.create(user, event, None, write()).await.unwrap();
        if number < 10 {
            let rename = doc! { "$set": { "type": "user.merged" } };
            outbox.update_one(unknown, rename).await.unwrap();
        } else {
            readable.push(id);
        }
    }
    // One can be read of the first ten.
    let limit = NonZeroUsize::new(10).unwrap();
    let records = storage.pending(limit, &[]).await.unwrap();
    let found: Vec<EventId> = records.iter().map(|record| record.event.id()).collect();
    assert_eq!(found, readable);
}

/// Whatever is stored while the query is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_events_come_in_none_is_left_out_before_one_that_is_there() {
    let (storage, _) = kept_for(Duration::from_secs(60)).await;
    let (mut user, event) = new_user(1, "ada@example.com");
    storage
        .create(user.clone(), event, None, write())
        .await
        .unwrap();
    let writer = tokio::spawn({
        let storage = storage.clone();
        async move {
            for number in 1..=40 {
                let (next, event) = renamed(&user, number);
                user = storage.update(next, event, write()).await.unwrap();
            }
        }
    });
    let mut looks = 0;
    while !writer.is_finished() {
        let records = storage.pending(MANY, &[]).await.unwrap();
        let versions = records.iter().map(|record| record.event.version().get());
        assert!(versions.eq(1..=u64::try_from(records.len()).unwrap()));
        looks += 1;
    }
    writer.await.unwrap();
    assert!(looks > 3, "{looks}");
}

#[tokio::test]
async fn identifiers_are_binary_and_times_are_dates() {
    let (storage, outbox) = kept_for(Duration::from_secs(60)).await;
    let (user, event) = new_user(1, "ada@example.com");
    let id = event.id();
    storage.create(user, event, None, write()).await.unwrap();
    let stored = outbox.find_one(doc! {}).await.unwrap().unwrap();
    let Some(Bson::Binary(binary)) = stored.get("_id") else {
        panic!("{stored:?}")
    };
    assert_eq!(binary.bytes, id.as_uuid().as_bytes());
    assert_eq!(u8::from(binary.subtype), 4);
    let happened = stored.get_datetime("occurred_at").unwrap();
    assert_eq!(happened.timestamp_millis(), 1);
}

#[tokio::test]
async fn a_closed_storage_takes_no_more_calls_about_users() {
    let (storage, _) = kept_for(Duration::ZERO).await;
    assert!(storage.close(Duration::from_secs(10)).await);
    let (user, event) = new_user(1, "ada@example.com");
    let refused = storage.create(user, event, None, write()).await;
    assert!(
        matches!(refused, Err(RepositoryError::Unavailable(_))),
        "{refused:?}"
    );
}
