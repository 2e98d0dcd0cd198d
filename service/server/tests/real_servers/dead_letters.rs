//! `dlq`.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use user_adapter_mongodb::{MongoStorage, StorageOptions};
use user_application::{Outbox as _, RelayId, UserRepository as _, Write};
use user_domain::{Email, EventId, User, UserId, UserName};
use user_settings::exit_code;
use uuid::Uuid;

use super::{Database, variable};

const REASON: &str = "refused";

/// Stores so many users whose events were given up; the events, oldest first.
async fn give_up(database: &Database, count: u64) -> Vec<EventId> {
    let options = StorageOptions {
        database: database.name.clone(),
        ..StorageOptions::default()
    };
    let storage = MongoStorage::connect(&variable("TEST_MONGODB_URI"), options)
        .await
        .unwrap();
    let relay = RelayId(Uuid::new_v4());
    let lease = Duration::from_secs(15);
    let epoch = storage.claim(relay, lease).await.unwrap().unwrap();
    let mut events = Vec::new();
    for number in 0..count {
        let (user, event) = User::create(
            UserId::new(Uuid::new_v4()),
            EventId::new(Uuid::new_v4()),
            UserName::parse("Wilhelmina Quux").unwrap(),
            Email::parse(&format!("quux{number}@example.com")).unwrap(),
            std::time::UNIX_EPOCH + Duration::from_secs(number),
        );
        let id = event.id();
        let write = Write {
            deadline: std::time::Instant::now() + Duration::from_secs(10),
            trace: None,
        };
        storage.create(user, event, None, write).await.unwrap();
        storage.bury(id, epoch, REASON).await.unwrap();
        events.push(id);
    }
    events
}

async fn stored(database: &Database, filter: Document) -> u64 {
    let outbox = database.open().await.collection::<Document>("outbox");
    outbox.count_documents(filter).await.unwrap()
}

async fn pending(database: &Database) -> u64 {
    stored(database, doc! { "state": "pending" }).await
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn dead_letters_are_listed_without_personal_data_and_made_pending_again() {
    let database = Database::new();
    database.run(&["migrate"]).await.lines();
    let events = give_up(&database, 3).await;
    let listed = database.run(&["dlq", "list"]).await;
    let lines = listed.lines();
    assert_eq!(lines.len(), 3);
    for (line, event) in lines.iter().zip(&events) {
        assert!(line.starts_with(&event.to_string()), "{line}");
        assert!(line.contains("  user.created  "), "{line}");
        assert!(line.ends_with(REASON), "{line}");
        assert!(!line.to_lowercase().contains("quux"), "{line}");
    }
    let limited = database.run(&["dlq", "list", "--limit", "1"]).await;
    assert_eq!(limited.lines(), lines[..1]);

    let one = events[1].to_string();
    let redriven = database.run(&["dlq", "redrive", &one]).await;
    assert_eq!(redriven.lines(), ["1 events are pending again"]);
    assert_eq!(pending(&database).await, 1);
    let left = database.run(&["dlq", "list"]).await;
    assert_eq!(left.lines(), [lines[0], lines[2]]);
    let unknown = Uuid::new_v4().to_string();
    let none = database.run(&["dlq", "redrive", &unknown]).await;
    assert_eq!(none.lines(), ["0 events are pending again"]);

    let all = database.run(&["dlq", "redrive", "--all"]).await;
    assert_eq!(all.lines(), ["2 events are pending again"]);
    assert_eq!(pending(&database).await, 3);
    let left = database.run(&["dlq", "list"]).await;
    assert_eq!(left.lines(), [""; 0]);
    database.remove().await;
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn dead_letters_of_purged_users_are_named_instead_of_published_and_can_be_discarded() {
    let database = Database::new();
    database.run(&["migrate"]).await.lines();
    let events = give_up(&database, 2).await;
    let users = database.open().await.collection::<Document>("users");
    let first = doc! { "email": "quux0@example.com" };
    users.delete_one(first).await.unwrap();

    let redriven = database.run(&["dlq", "redrive", "--all"]).await;
    let stays = format!("{} stays: its user is purged", events[0]);
    assert_eq!(redriven.lines(), ["1 events are pending again", &stays]);
    assert_eq!(pending(&database).await, 1);

    let [one, other] = [&events[0], &events[1]].map(EventId::to_string);
    let discarded = database.run(&["dlq", "discard", &one, &other]).await;
    assert_eq!(discarded.lines(), ["1 events are discarded"]);
    assert_eq!(
        pending(&database).await,
        1,
        "what is pending is no dead letter"
    );
    assert_eq!(stored(&database, doc! {}).await, 1);
    let none = database.run(&["dlq", "discard", "--all"]).await;
    assert_eq!(none.lines(), ["0 events are discarded"]);
    database.remove().await;
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn which_dead_letters_are_meant_has_to_be_said() {
    let database = Database::new();
    let one = Uuid::new_v4().to_string();
    for arguments in [
        &["dlq", "redrive"][..],
        &["dlq", "redrive", "--all", &one],
        &["dlq", "redrive", "seven"],
        &["dlq", "discard"],
        &["dlq", "discard", "--all", &one],
        &["dlq", "list", "--limit", "0"],
    ] {
        let done = database.run(arguments).await;
        assert_eq!(done.exit_code, exit_code::USAGE, "{arguments:?}");
    }
}
