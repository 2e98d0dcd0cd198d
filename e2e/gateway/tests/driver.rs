//! The gateway under MongoDB's own driver. It needs a running gateway, which `TEST_MONGODB_URI` names.

mod support;

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use support::{
    DUPLICATE_KEY, TRANSIENT, WRITE_CONFLICT, begin, begun, client, client_with, code, count,
    database, majority,
};

fn unique_email() -> IndexModel {
    IndexModel::builder()
        .keys(doc! { "email": 1 })
        .options(IndexOptions::builder().unique(true).build())
        .build()
}

#[tokio::test]
async fn a_transaction_over_two_collections_is_kept_or_undone_as_a_whole() {
    let client = client().await;
    let database = database(&client, "two").await;
    let (users, outbox) = (database.collection("users"), database.collection("outbox"));
    users.insert_one(doc! { "_id": 0 }).await.unwrap();
    outbox.insert_one(doc! { "_id": 0 }).await.unwrap();

    let mut session = begun(&client).await;
    users
        .insert_one(doc! { "_id": 1 })
        .session(&mut session)
        .await
        .unwrap();
    outbox
        .insert_one(doc! { "_id": 1 })
        .session(&mut session)
        .await
        .unwrap();
    assert_eq!((count(&users).await, count(&outbox).await), (1, 1));
    session.commit_transaction().await.unwrap();
    assert_eq!((count(&users).await, count(&outbox).await), (2, 2));

    begin(&mut session).await;
    users
        .insert_one(doc! { "_id": 2 })
        .session(&mut session)
        .await
        .unwrap();
    let change = doc! { "$set": { "sent": true } };
    outbox
        .update_one(doc! { "_id": 1 }, change)
        .session(&mut session)
        .await
        .unwrap();
    session.abort_transaction().await.unwrap();
    assert_eq!((count(&users).await, count(&outbox).await), (2, 2));
    let sent = outbox.find_one(doc! { "sent": true }).await.unwrap();
    assert_eq!(sent, None);
}

#[tokio::test]
async fn a_taken_key_is_refused_with_the_name_of_the_index() {
    let client = client().await;
    let database = database(&client, "unique").await;
    let (users, outbox) = (database.collection("users"), database.collection("outbox"));
    users.create_index(unique_email()).await.unwrap();
    outbox.insert_one(doc! { "_id": 0 }).await.unwrap();
    users
        .insert_one(doc! { "_id": 1, "email": "a" })
        .await
        .unwrap();

    let outside = users
        .insert_one(doc! { "_id": 2, "email": "a" })
        .await
        .unwrap_err();
    assert_eq!(code(&outside), DUPLICATE_KEY, "{outside}");
    let same_id = users.insert_one(doc! { "_id": 1 }).await.unwrap_err();
    assert_eq!(code(&same_id), DUPLICATE_KEY, "{same_id}");

    let mut session = begun(&client).await;
    outbox
        .insert_one(doc! { "_id": 1 })
        .session(&mut session)
        .await
        .unwrap();
    let taken = doc! { "_id": 2, "email": "a" };
    let inside = users
        .insert_one(taken)
        .session(&mut session)
        .await
        .unwrap_err();
    assert_eq!(code(&inside), DUPLICATE_KEY, "{inside}");
    assert!(!inside.contains_label(TRANSIENT));
    let after = session.commit_transaction().await.unwrap_err();
    assert!(after.contains_label(TRANSIENT), "{after}");
    assert_eq!(count(&outbox).await, 1);

    // The driver hides the message where it redacts; the raw answer shows it.
    let raw = doc! {
        "insert": "users",
        "documents": [{ "_id": 3, "email": "a" }],
        "writeConcern": { "w": "majority", "j": true },
    };
    let error = database.run_command(raw).await;
    let text = format!("{error:?}");
    assert!(text.contains("email_1"), "{text}");
}

#[tokio::test]
async fn a_unique_index_comes_onto_a_collection_that_has_documents() {
    let client = client().await;
    let users = database(&client, "late").await.collection("users");
    users.insert_one(doc! { "email": "a" }).await.unwrap();
    users.create_index(unique_email()).await.unwrap();
    users.create_index(unique_email()).await.unwrap();
    let names = users.list_index_names().await.unwrap();
    assert_eq!(names, ["_id_", "email_1"]);
    let error = users.insert_one(doc! { "email": "a" }).await.unwrap_err();
    assert_eq!(code(&error), DUPLICATE_KEY);
    users.drop_index("email_1").await.unwrap();
    users.insert_one(doc! { "email": "a" }).await.unwrap();
}

#[tokio::test]
async fn the_second_of_two_writers_gets_a_conflict_that_may_be_retried() {
    let client = client().await;
    let users = database(&client, "conflict").await.collection("users");
    users.insert_one(doc! { "_id": 1 }).await.unwrap();
    let mut first = begun(&client).await;
    let mut second = begun(&client).await;
    let id = doc! { "_id": 1 };
    let read = users
        .find_one(id.clone())
        .session(&mut second)
        .await
        .unwrap();
    assert_eq!(read, Some(id.clone()));
    let mine = doc! { "$set": { "by": "first" } };
    users
        .update_one(id.clone(), mine)
        .session(&mut first)
        .await
        .unwrap();
    first.commit_transaction().await.unwrap();
    let theirs = doc! { "$set": { "by": "second" } };
    let refused = users
        .update_one(id.clone(), theirs)
        .session(&mut second)
        .await;
    let error = refused.unwrap_err();
    assert_eq!(code(&error), WRITE_CONFLICT, "{error}");
    assert!(error.contains_label(TRANSIENT));
    let kept: Document = users.find_one(id).await.unwrap().unwrap();
    assert_eq!(kept.get_str("by").unwrap(), "first");
}

#[tokio::test]
async fn a_writer_does_not_wait_for_ever() {
    let client = client().await;
    let users = database(&client, "wait")
        .await
        .collection::<Document>("users");
    users.insert_one(doc! { "_id": 1 }).await.unwrap();
    let mut first = begun(&client).await;
    let mut second = begun(&client).await;
    let change = || doc! { "$inc": { "n": 1 } };
    users
        .update_one(doc! { "_id": 1 }, change())
        .session(&mut first)
        .await
        .unwrap();
    let refused = users
        .update_one(doc! { "_id": 1 }, change())
        .session(&mut second)
        .await;
    assert_eq!(code(&refused.unwrap_err()), WRITE_CONFLICT);
    first.commit_transaction().await.unwrap();
}

#[tokio::test]
async fn a_commit_that_is_sent_again_is_answered_again() {
    let client = client().await;
    let users = database(&client, "again").await.collection("users");
    let mut session = begun(&client).await;
    users
        .insert_one(doc! { "_id": 1 })
        .session(&mut session)
        .await
        .unwrap();
    session.commit_transaction().await.unwrap();
    session.commit_transaction().await.unwrap();
    assert_eq!(count(&users).await, 1);
}

#[tokio::test]
async fn a_write_that_is_sent_again_happens_once() {
    let client = client().await;
    let database = database(&client, "retry").await;
    let users = database.collection("users");
    users.insert_one(doc! { "_id": 1, "n": 0 }).await.unwrap();
    let command = doc! {
        "update": "users",
        "updates": [{ "q": { "_id": 1 }, "u": { "$inc": { "n": 1 } } }],
        "txnNumber": 1_000_000_i64,
        "writeConcern": { "w": "majority", "j": true },
    };
    let mut session = client.start_session().await.unwrap();
    let first = database
        .run_command(command.clone())
        .session(&mut session)
        .await
        .unwrap();
    let second = database
        .run_command(command)
        .session(&mut session)
        .await
        .unwrap();
    assert_eq!(first.get_i32("nModified").unwrap(), 1);
    assert_eq!(second.get_i32("nModified").unwrap(), 1);
    let user: Document = users.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(user.get_i32("n").unwrap(), 1);
}

#[tokio::test]
async fn what_takes_too_long_is_stopped() {
    let client = client().await;
    let users = database(&client, "slow")
        .await
        .collection::<Document>("users");
    users.insert_one(doc! { "_id": 1 }).await.unwrap();
    let mut session = begun(&client).await;
    let change = || doc! { "$inc": { "n": 1 } };
    users
        .update_one(doc! {}, change())
        .session(&mut session)
        .await
        .unwrap();
    let waiting = doc! {
        "update": "users",
        "updates": [{ "q": {}, "u": change() }],
        "maxTimeMS": 100,
        "writeConcern": { "w": "majority", "j": true },
    };
    let database = client.database("gateway_slow");
    let error = database.run_command(waiting).await.unwrap_err();
    assert_eq!(code(&error), 50, "{error}");
    session.abort_transaction().await.unwrap();
}

#[tokio::test]
async fn what_could_be_lost_is_refused() {
    let lax = client_with(None).await;
    let users = lax.database("gateway_lax").collection("users");
    let write = users.insert_one(doc! { "_id": 1 }).await.unwrap_err();
    assert_eq!(code(&write), 72, "{write}");

    let mut session = lax.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    users
        .insert_one(doc! { "_id": 1 })
        .session(&mut session)
        .await
        .unwrap();
    let commit = session.commit_transaction().await.unwrap_err();
    assert_eq!(code(&commit), 72, "{commit}");

    let find = doc! { "find": "users" };
    let read = lax
        .database("gateway_lax")
        .run_command(find)
        .await
        .unwrap_err();
    assert_eq!(code(&read), 72, "{read}");

    let unknown = lax
        .database("gateway_lax")
        .run_command(doc! { "mapReduce": "users" })
        .await;
    assert_eq!(code(&unknown.unwrap_err()), 59);
}

#[tokio::test]
async fn of_many_who_want_one_key_exactly_one_gets_it() {
    let client = client().await;
    let database = database(&client, "race").await;
    let (users, outbox) = (database.collection("users"), database.collection("outbox"));
    users.create_index(unique_email()).await.unwrap();
    outbox
        .create_index(IndexModel::builder().keys(doc! { "state": 1 }).build())
        .await
        .unwrap();
    let racers = (0..16).map(|id| {
        let (client, users, outbox) = (client.clone(), users.clone(), outbox.clone());
        tokio::spawn(async move {
            let mut session = client.start_session().await.unwrap();
            loop {
                begin(&mut session).await;
                let both = async {
                    let user = doc! { "_id": id, "email": "one" };
                    users.insert_one(user).session(&mut session).await?;
                    outbox
                        .insert_one(doc! { "_id": id })
                        .session(&mut session)
                        .await?;
                    session.commit_transaction().await
                };
                match both.await {
                    Ok(()) => return 0,
                    Err(error) if error.contains_label(TRANSIENT) => {
                        let _ = session.abort_transaction().await;
                    }
                    Err(error) => return code(&error),
                }
            }
        })
    });
    let mut ends = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        ends.push(racer.await.unwrap());
    }
    ends.sort_unstable();
    let mut expected = vec![DUPLICATE_KEY; 16];
    expected[0] = 0;
    assert_eq!(ends, expected);
    assert_eq!((count(&users).await, count(&outbox).await), (1, 1));
    assert_eq!(majority().journal, Some(true));
}
