//! What the contract leaves to the storage: leases that end by themselves, and who may not judge any more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use support::{eventually, storage};
use user_adapter_mongodb::MongoStorage;
use user_application::testkit::{new_user, write};
use user_application::{DeadLetters, Epoch, Outbox, Redrive, RelayId, UserRepository};
use user_domain::EventId;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(60);
const MANY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

fn holder(number: u128) -> RelayId {
    RelayId(Uuid::from_u128(number))
}

async fn create(storage: &MongoStorage, number: u16) -> EventId {
    let (user, event) = new_user(number, &format!("user{number}@example.com"));
    let id = event.id();
    storage.create(user, event, None, write()).await.unwrap();
    id
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_ends_by_the_servers_clock() {
    let storage = storage().await;
    let short = Duration::from_millis(700);
    let began = Instant::now();
    let first = storage.claim(holder(1), short).await.unwrap().unwrap();
    assert_eq!(storage.claim(holder(2), LONG).await.unwrap(), None);
    let second = std::cell::Cell::new(None);
    eventually("the second gets it", || async {
        second.set(storage.claim(holder(2), LONG).await.unwrap());
        second.get().is_some()
    })
    .await;
    assert!(began.elapsed() >= short, "{:?}", began.elapsed());
    assert!(second.get() > Some(first));
    assert_eq!(storage.claim(holder(1), LONG).await.unwrap(), None);
}

#[tokio::test]
async fn of_many_that_claim_at_once_one_gets_it() {
    let storage = storage().await;
    let claims = (1..=12).map(|number| storage.claim(holder(number), LONG));
    let results = futures::future::join_all(claims).await;
    let holders = results
        .into_iter()
        .filter(|claimed| claimed.as_ref().unwrap().is_some());
    assert_eq!(holders.count(), 1);
}

#[tokio::test]
async fn who_was_overtaken_can_neither_count_nor_bury() {
    let storage = storage().await;
    let event = create(&storage, 1).await;
    let over = storage.claim(holder(1), LONG).await.unwrap().unwrap();
    storage.release(holder(1)).await.unwrap();
    let now = storage.claim(holder(2), LONG).await.unwrap().unwrap();
    storage.count_attempt(event, over).await.unwrap();
    storage.bury(event, over, "refused").await.unwrap();
    let pending = storage.pending(MANY, &[]).await.unwrap();
    assert_eq!((pending.len(), pending[0].attempts), (1, 0));
    storage
        .count_attempt(event, Epoch(now.0 + 1))
        .await
        .unwrap();
    storage.count_attempt(event, now).await.unwrap();
    let pending = storage.pending(MANY, &[]).await.unwrap();
    assert_eq!(pending[0].attempts, 1);
}

#[tokio::test]
async fn a_dead_letter_says_why_and_goes_out_again_when_told_to() {
    let storage = storage().await;
    let (first, second) = (create(&storage, 1).await, create(&storage, 2).await);
    let third = create(&storage, 3).await;
    let now = storage.claim(holder(1), LONG).await.unwrap().unwrap();
    for event in [first, second, third] {
        storage.count_attempt(event, now).await.unwrap();
        storage.bury(event, now, "refused").await.unwrap();
    }
    let letters = storage.dead_letters(MANY).await.unwrap();
    let events: Vec<EventId> = letters.iter().map(|letter| letter.event).collect();
    assert_eq!(events, [first, second, third]);
    let letter = &letters[0];
    let told = (
        letter.event_type.as_str(),
        letter.reason.as_str(),
        letter.attempts,
    );
    assert_eq!(told, ("user.created", "refused", 2));
    assert_eq!(
        storage.dead_letters(NonZeroUsize::MIN).await.unwrap().len(),
        1
    );

    let these = Redrive::These(vec![second, EventId::new(Uuid::from_u128(99))]);
    assert_eq!(storage.redrive(these).await.unwrap(), 1);
    let pending = storage.pending(MANY, &[]).await.unwrap();
    assert_eq!((pending[0].event.id(), pending[0].attempts), (second, 0));
    assert_eq!(storage.redrive(Redrive::All).await.unwrap(), 2);
    assert_eq!(storage.dead_letters(MANY).await.unwrap(), []);
    assert_eq!(storage.backlog().await.unwrap().pending, 3);
}

#[tokio::test]
async fn a_lease_of_a_crashed_holder_keeps_its_epoch_when_it_renews_late() {
    let storage = storage().await;
    let short = Duration::from_millis(1);
    let first = storage.claim(holder(1), short).await.unwrap();
    let again = storage.claim(holder(1), LONG).await.unwrap();
    assert_eq!(first, again, "it never changed hands");
}
