//! What is stored and found through the gateway, with MongoDB's own driver; `driver` has transactions and conflicts. It
//! needs a running gateway, which `TEST_MONGODB_URI` names.

mod support;

use futures::TryStreamExt as _;
use mongodb::IndexModel;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::{IndexOptions, ReturnDocument};
use support::{DUPLICATE_KEY, begun, client, code, database};

#[tokio::test]
async fn a_lease_is_taken_by_the_clock_of_the_server() {
    let client = client().await;
    let leases = database(&client, "lease")
        .await
        .collection::<Document>("leases");
    let open = vec![doc! { "$set": { "until": "$$NOW", "epoch": 0 } }];
    let lease = doc! { "_id": "relay" };
    leases.update_one(lease, open).upsert(true).await.unwrap();
    let take = async |owner: &str| {
        let free = doc! { "_id": "relay", "$expr": { "$lte": ["$until", "$$NOW"] } };
        let taken = vec![doc! { "$set": {
            "owner": owner,
            "until": { "$add": ["$$NOW", 60_000] },
            "epoch": { "$add": ["$epoch", 1] },
        } }];
        leases
            .find_one_and_update(free, taken)
            .return_document(ReturnDocument::After)
            .await
            .unwrap()
    };
    let lease = take("a").await.unwrap();
    assert_eq!(lease.get_str("owner").unwrap(), "a");
    assert!(*lease.get_datetime("until").unwrap() > DateTime::now());
    assert_eq!(take("b").await, None);
    let past = doc! { "$set": { "until": DateTime::from_millis(0) } };
    leases.update_one(doc! {}, past).await.unwrap();
    let lease = take("b").await.unwrap();
    assert_eq!(lease.get_str("owner").unwrap(), "b");
    assert_eq!(lease.get_i32("epoch").unwrap(), 2);
}

#[tokio::test]
async fn the_oldest_is_taken_first() {
    let client = client().await;
    let outbox = database(&client, "oldest")
        .await
        .collection::<Document>("outbox");
    let rows = (0..5).map(|id| doc! { "_id": id, "state": "new" });
    outbox.insert_many(rows).await.unwrap();
    let sent = doc! { "$set": { "state": "sent" } };
    let taken = outbox
        .find_one_and_update(doc! { "state": "new" }, sent)
        .sort(doc! { "_id": -1 })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.get_i32("_id").unwrap(), 4);
}

#[tokio::test]
async fn a_partial_unique_index_binds_only_what_it_covers() {
    let client = client().await;
    let users = database(&client, "partial").await.collection("users");
    let options = IndexOptions::builder()
        .unique(true)
        .name("live_email".to_owned())
        .partial_filter_expression(doc! { "deleted": false })
        .build();
    let index = IndexModel::builder()
        .keys(doc! { "email": 1 })
        .options(options)
        .build();
    users.create_index(index).await.unwrap();
    users
        .insert_one(doc! { "email": "a", "deleted": true })
        .await
        .unwrap();
    users
        .insert_one(doc! { "email": "a", "deleted": true })
        .await
        .unwrap();
    users
        .insert_one(doc! { "email": "a", "deleted": false })
        .await
        .unwrap();
    let error = users
        .insert_one(doc! { "email": "a", "deleted": false })
        .await
        .unwrap_err();
    assert_eq!(code(&error), DUPLICATE_KEY);
}

#[tokio::test]
async fn a_validator_refuses_what_it_does_not_allow() {
    let client = client().await;
    let database = database(&client, "validator").await;
    let rule = |field: &str| doc! { "$jsonSchema": { "bsonType": "object", "required": [field] } };
    database
        .create_collection("users")
        .validator(rule("email"))
        .await
        .unwrap();
    let users = database.collection("users");
    users
        .insert_one(doc! { "_id": 1, "email": "a" })
        .await
        .unwrap();
    let insert = users.insert_one(doc! { "_id": 2 }).await.unwrap_err();
    assert_eq!(code(&insert), 121, "{insert}");
    let unset = doc! { "$unset": { "email": 1 } };
    let update = users
        .update_one(doc! { "_id": 1 }, unset)
        .await
        .unwrap_err();
    assert_eq!(code(&update), 121, "{update}");
    let modify = doc! {
        "collMod": "users",
        "validator": rule("name"),
        "writeConcern": { "w": "majority", "j": true },
    };
    database.run_command(modify).await.unwrap();
    let insert = users
        .insert_one(doc! { "_id": 2, "email": "a" })
        .await
        .unwrap_err();
    assert_eq!(code(&insert), 121, "{insert}");
    users
        .insert_one(doc! { "_id": 2, "name": "a" })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cursor_goes_on_until_everything_was_read() {
    let client = client().await;
    let users = database(&client, "cursor")
        .await
        .collection::<Document>("users");
    let rows = (0..1000).map(|id| doc! { "_id": id, "rank": 1000 - id });
    users.insert_many(rows).await.unwrap();
    let plain: Vec<Document> = users
        .find(doc! {})
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(plain.len(), 1000);
    let sorted = users
        .find(doc! {})
        .sort(doc! { "rank": 1 })
        .batch_size(150)
        .await
        .unwrap();
    let sorted: Vec<Document> = sorted.try_collect().await.unwrap();
    let ranks: Vec<i32> = sorted
        .iter()
        .map(|row| row.get_i32("rank").unwrap())
        .collect();
    assert_eq!(ranks, (1..=1000).collect::<Vec<_>>());
    let grouped = vec![doc! { "$group": { "_id": "$rank" } }];
    let grouped = users.aggregate(grouped).batch_size(7).await.unwrap();
    assert_eq!(grouped.try_collect::<Vec<_>>().await.unwrap().len(), 1000);
    // More unfinished cursors than connections that may be held.
    for _ in 0..60 {
        let mut unread = users
            .find(doc! {})
            .sort(doc! { "rank": 1 })
            .batch_size(2)
            .await
            .unwrap();
        assert!(unread.advance().await.unwrap());
    }

    let mut session = begun(&client).await;
    let find = users.find(doc! {}).sort(doc! { "rank": 1 }).batch_size(300);
    let mut inside = find.session(&mut session).await.unwrap();
    let read: Vec<_> = inside.stream(&mut session).try_collect().await.unwrap();
    assert_eq!(read.len(), 1000);
    session.commit_transaction().await.unwrap();
}

#[tokio::test]
async fn what_is_read_often_can_be_read() {
    let client = client().await;
    let database = database(&client, "reads").await;
    let users = database.collection::<Document>("users");
    let rows = (0..2500).map(|id| doc! { "_id": id, "kind": id % 3 });
    users.insert_many(rows).await.unwrap();
    let many: Vec<i32> = (0..2000).collect();
    let set = doc! { "$set": { "sent": true } };
    let updated = users
        .update_many(doc! { "_id": { "$in": many } }, set)
        .await
        .unwrap();
    assert_eq!(updated.modified_count, 2000);
    assert_eq!(users.distinct("kind", doc! {}).await.unwrap().len(), 3);
    assert_eq!(users.estimated_document_count().await.unwrap(), 2500);
    let deleted = users.delete_many(doc! { "sent": true }).await.unwrap();
    assert_eq!(deleted.deleted_count, 2000);
    assert_eq!(database.list_collection_names().await.unwrap(), ["users"]);
    let names = client.list_database_names().await.unwrap();
    assert!(names.contains(&"gateway_reads".to_owned()));
}
