//! A commit whose outcome is open, where published events are not kept to tell it by.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::{Value, json};
use support::eventually;
use support::faults::{Ways, ways_with};
use support::options;
use user_adapter_mongodb::{MongoStorage, StorageOptions};
use user_application::testkit::{new_user, renamed, write};
use user_application::{Outbox, UserRepository};

/// The commit takes effect and its answer is lost; the server then denies it. The second attempt is held up meanwhile,
/// at the statement that it begins with.
fn denied(first: &str) -> Value {
    let denied = json!({
        "code": 251, "codeName": "NoSuchTransaction", "labels": ["TransientTransactionError"]
    });
    json!([
        {"command": "commitTransaction", "times": 1, "action": "dropAnswer"},
        {"command": "commitTransaction", "times": 1, "action": {"error": denied}},
        {"command": first, "collection": "users", "after": 1, "times": 1, "action": {"delayMs": 1500}},
    ])
}

async fn kept_not_at_all() -> Ways {
    let retention = Duration::ZERO;
    ways_with(StorageOptions {
        retention,
        ..options()
    })
    .await
}

/// What a relay does with the next event.
async fn next_is_published(storage: &MongoStorage) {
    eventually("an event waits and is removed", || async {
        let records = storage.pending(NonZeroUsize::MIN, &[]).await.unwrap();
        let ids: Vec<_> = records.iter().map(|record| record.event.id()).collect();
        storage.acknowledge(&ids).await.unwrap();
        !ids.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_user_whose_event_is_out_and_gone_is_known_by_itself() {
    let ways = kept_not_at_all().await;
    ways.faults.set(denied("insert")).await;
    let (user, event) = new_user(1, "ada@example.com");
    let (created, ()) = tokio::join!(
        ways.broken.create(user.clone(), event, None, write()),
        next_is_published(&ways.straight),
    );
    assert_eq!(created.unwrap(), user);
    ways.faults.clear().await;
    let left = ways.straight.backlog().await.unwrap().pending;
    assert_eq!(left, 0, "it was stored once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_event_is_out_and_gone_is_known_by_the_user() {
    let ways = kept_not_at_all().await;
    let (user, event) = new_user(1, "ada@example.com");
    let stored = ways.straight.create(user, event, None, write()).await;
    next_is_published(&ways.straight).await;
    ways.faults.set(denied("update")).await;
    let (next, event) = renamed(&stored.unwrap(), 1);
    let (changed, ()) = tokio::join!(
        ways.broken.update(next.clone(), event, write()),
        next_is_published(&ways.straight),
    );
    assert_eq!(changed.unwrap(), next);
    ways.faults.clear().await;
}
