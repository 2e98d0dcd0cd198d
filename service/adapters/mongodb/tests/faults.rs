//! What is left of a write when the way to the database breaks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::eventually;
use support::faults::{Ways, ways};
use user_adapter_mongodb::MongoStorage;
use user_application::testkit::{new_user, renamed, write};
use user_application::{Outbox, RelayId, RepositoryError, RequestKey, UserRepository, Write};
use user_domain::{EventId, User};
use uuid::Uuid;

/// How late a call may end that is held to its deadline: less than what the work behind it is left to end by itself.
const SLACK: Duration = Duration::from_secs(3);
const MANY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

fn within(time: Duration) -> Write {
    Write {
        deadline: Instant::now() + time,
        trace: None,
    }
}

async fn create(
    storage: &MongoStorage,
    number: u16,
    write: Write,
) -> Result<User, RepositoryError> {
    let (user, event) = new_user(number, &format!("user{number}@example.com"));
    storage.create(user, event, None, write).await
}

async fn pending(storage: &MongoStorage) -> Vec<EventId> {
    let records = storage.pending(MANY, &[]).await.unwrap();
    records.iter().map(|record| record.event.id()).collect()
}

/// Whether user and event of this number are there; panics if only one of them is.
async fn is_whole(storage: &MongoStorage, number: u16) -> bool {
    let (user, event) = new_user(number, "any@example.com");
    let found = storage.get(user.id(), write().deadline).await;
    let has_user = match found {
        Ok(_) => true,
        Err(RepositoryError::NotFound) => false,
        Err(error) => panic!("{error:?}"),
    };
    assert_eq!(has_user, pending(storage).await.contains(&event.id()));
    has_user
}

fn failure(command: &str, collection: Option<&str>, code: i32, name: &str, label: &str) -> Value {
    let action = json!({"error": {"code": code, "codeName": name, "labels": [label]}});
    match collection {
        Some(collection) => {
            json!([{"command": command, "collection": collection, "times": 1, "action": action}])
        }
        None => json!([{"command": command, "times": 1, "action": action}]),
    }
}

/// Creates through the broken way and finds one user and one event.
async fn creates_once(rules: Value) {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    faults.set(rules).await;
    let stored = create(&broken, 1, write()).await.unwrap();
    faults.clear().await;
    assert_eq!(
        straight.get(stored.id(), write().deadline).await.unwrap(),
        stored
    );
    assert_eq!(pending(&straight).await.len(), 1);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_stored_once() {
    creates_once(json!([{"command": "commitTransaction", "times": 1, "action": "dropAnswer"}]))
        .await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_time_and_again_is_stored_once() {
    creates_once(json!([{"command": "commitTransaction", "times": 4, "action": "dropAnswer"}]))
        .await;
}

#[tokio::test]
async fn a_commit_that_did_not_arrive_is_sent_again() {
    creates_once(json!([{"command": "commitTransaction", "times": 3, "action": "cut"}])).await;
}

#[tokio::test]
async fn a_statement_whose_answer_is_lost_is_stored_once() {
    creates_once(json!([
        {"command": "insert", "collection": "users", "times": 1, "action": "dropAnswer"},
        {"command": "insert", "collection": "outbox", "times": 1, "action": "cut"},
    ]))
    .await;
}

#[tokio::test]
async fn a_write_conflict_is_tried_again() {
    let label = "TransientTransactionError";
    creates_once(failure(
        "insert",
        Some("outbox"),
        112,
        "WriteConflict",
        label,
    ))
    .await;
}

#[tokio::test]
async fn a_primary_that_stepped_down_during_a_statement_is_looked_for_again() {
    let label = "TransientTransactionError";
    creates_once(failure(
        "insert",
        Some("users"),
        10107,
        "NotWritablePrimary",
        label,
    ))
    .await;
}

#[tokio::test]
async fn a_primary_that_stepped_down_during_the_commit_is_looked_for_again() {
    let label = "RetryableWriteError";
    creates_once(failure(
        "commitTransaction",
        None,
        10107,
        "NotWritablePrimary",
        label,
    ))
    .await;
}

/// After a commit whose answer was lost, even a server that claims to know nothing of it is not believed.
#[tokio::test]
async fn a_commit_that_the_server_denies_is_found_by_its_event() {
    let denied = json!({
        "code": 251, "codeName": "NoSuchTransaction", "labels": ["TransientTransactionError"]
    });
    creates_once(json!([
        {"command": "commitTransaction", "times": 1, "action": "dropAnswer"},
        {"command": "commitTransaction", "times": 1, "action": {"error": denied}},
    ]))
    .await;
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_is_stored_once() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    let user = create(&straight, 1, write()).await.unwrap();
    let lost = json!([{"command": "commitTransaction", "times": 2, "action": "dropAnswer"}]);
    faults.set(lost).await;
    let (next, event) = renamed(&user, 1);
    assert_eq!(
        broken.update(next.clone(), event, write()).await.unwrap(),
        next
    );
    faults.clear().await;
    assert_eq!(
        straight.get(user.id(), write().deadline).await.unwrap(),
        next
    );
    assert_eq!(pending(&straight).await.len(), 2);
}

#[tokio::test]
async fn a_request_that_was_told_unavailable_and_is_repeated_makes_one_user() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    // It is stored, but nothing ever says so.
    faults
        .set(json!([{"command": "commitTransaction", "action": "dropAnswer"}]))
        .await;
    let request = Some(RequestKey {
        id: Uuid::from_u128(7),
        fingerprint: [1; 32],
    });
    let (user, event) = new_user(1, "ada@example.com");
    let late = within(Duration::from_secs(2));
    let told = broken.create(user.clone(), event, request, late).await;
    assert!(
        matches!(told, Err(RepositoryError::Unavailable(_))),
        "{told:?}"
    );
    faults.clear().await;
    let (other, event) = new_user(2, "ada@example.com");
    let again = broken.create(other, event, request, write()).await.unwrap();
    assert_eq!(again, user);
    assert_eq!(pending(&straight).await.len(), 1);
}

#[tokio::test]
async fn a_database_that_hangs_is_unavailable_at_the_deadline_and_keeps_nothing_half_done() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    faults
        .set(json!([{"command": "insert", "collection": "outbox", "action": "hang"}]))
        .await;
    let (patience, began) = (Duration::from_secs(2), Instant::now());
    let told = create(&broken, 1, within(patience)).await;
    let took = began.elapsed();
    assert!(
        matches!(told, Err(RepositoryError::Unavailable(_))),
        "{told:?}"
    );
    assert!(took >= patience && took < patience + SLACK, "{took:?}");
    faults.clear().await;
    // What is under way ends by itself, and nothing of it is left to stand in the way.
    eventually("the address is free", || async {
        create(&straight, 1, within(Duration::from_secs(2)))
            .await
            .is_ok()
    })
    .await;
    assert_eq!(pending(&straight).await.len(), 1);
    assert!(broken.close(Duration::from_secs(30)).await);
}

#[tokio::test]
async fn a_commit_that_hangs_is_unavailable_at_the_deadline_and_whole_or_not_at_all() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    faults
        .set(json!([{"command": "commitTransaction", "action": "hang"}]))
        .await;
    let (patience, began) = (Duration::from_secs(2), Instant::now());
    let told = create(&broken, 1, within(patience)).await;
    assert!(
        matches!(told, Err(RepositoryError::Unavailable(_))),
        "{told:?}"
    );
    assert!(began.elapsed() < patience + SLACK);
    faults.clear().await;
    assert!(broken.close(Duration::from_secs(30)).await);
    is_whole(&straight, 1).await;
}

#[tokio::test]
async fn a_read_that_hangs_is_unavailable_at_the_deadline() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    let user = create(&straight, 1, write()).await.unwrap();
    faults
        .set(json!([{"command": "find", "action": "hang"}]))
        .await;
    let (patience, began) = (Duration::from_secs(2), Instant::now());
    let told = broken.get(user.id(), began + patience).await;
    assert!(
        matches!(told, Err(RepositoryError::Unavailable(_))),
        "{told:?}"
    );
    assert!(began.elapsed() < patience + SLACK);
    faults.clear().await;
    assert_eq!(broken.get(user.id(), write().deadline).await.unwrap(), user);
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_a_write_whole_or_not_at_all() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    faults
        .set(json!([{"command": "*", "action": {"delayMs": 15}}]))
        .await;
    for number in 1..=16 {
        let patience = Duration::from_millis(u64::from(number) * 5);
        let _ = tokio::time::timeout(patience, create(&broken, number, write())).await;
    }
    assert!(broken.close(Duration::from_secs(30)).await);
    faults.clear().await;
    let mut stored = 0;
    for number in 1..=16 {
        stored += usize::from(is_whole(&straight, number).await);
    }
    assert_eq!(stored, 16, "what has begun is carried through");
}

#[tokio::test]
async fn a_pool_that_is_full_begins_nothing_after_the_deadline() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    faults
        .set(json!([{"command": "*", "action": {"delayMs": 150}}]))
        .await;
    let creations = (1..=60).map(|number| {
        let broken = &broken;
        async move {
            create(broken, number, within(Duration::from_millis(700)))
                .await
                .is_ok()
        }
    });
    let answered = futures::future::join_all(creations).await;
    assert!(answered.contains(&false), "there were slots for all");
    assert!(broken.close(Duration::from_secs(30)).await);
    faults.clear().await;
    for (number, answered) in (1..=60).zip(answered) {
        let stored = is_whole(&straight, number).await;
        assert!(
            stored || !answered,
            "user {number} was answered and is not there"
        );
    }
}

#[tokio::test]
async fn an_acknowledgement_whose_answer_is_lost_is_repeated() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    create(&straight, 1, write()).await.unwrap();
    let events = pending(&straight).await;
    faults.set(json!([{"command": "update", "collection": "outbox", "times": 2, "action": "dropAnswer"}])).await;
    broken.acknowledge(&events).await.unwrap();
    faults.clear().await;
    assert_eq!(pending(&straight).await, []);
}

#[tokio::test]
async fn an_acknowledgement_outlives_a_primary_that_steps_down() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    create(&straight, 1, write()).await.unwrap();
    let events = pending(&straight).await;
    let stepped_down = json!({"error": {"code": 10107, "codeName": "NotWritablePrimary"}});
    faults
        .set(json!([{"command": "update", "collection": "outbox", "times": 1, "action": stepped_down}]))
        .await;
    broken.acknowledge(&events).await.unwrap();
    faults.clear().await;
    assert_eq!(pending(&straight).await, []);
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_stays_in_its_epoch() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    let (holder, lease) = (RelayId(Uuid::from_u128(1)), Duration::from_secs(60));
    faults
        .set(json!([{"command": "findAndModify", "times": 1, "action": "dropAnswer"}]))
        .await;
    let claimed = broken.claim(holder, lease).await.unwrap().unwrap();
    faults.clear().await;
    assert_eq!(straight.claim(holder, lease).await.unwrap(), Some(claimed));
}
