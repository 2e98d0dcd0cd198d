//! What the contract leaves to the storage: leases that end by themselves, and who may not judge any more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use mongodb::bson::{DateTime, doc};
use support::{collection, eventually, options, storage, storage_with, uri};
use user_adapter_mongodb::MongoStorage;
use user_application::testkit::{new_user, renamed, write};
use user_application::{Chosen, DeadLetters, Epoch, Outbox, Redriven, RelayId, UserRepository};
use user_domain::{EventId, User};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(60);
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
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
    let first = storage.claim(holder(1), LONG).await.unwrap().unwrap();
    assert_eq!(storage.claim(holder(2), LONG).await.unwrap(), None);
    let (short, began) = (Duration::from_millis(700), Instant::now());
    let renewed = storage.claim(holder(1), short).await.unwrap();
    assert_eq!(renewed, Some(first));
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
async fn a_renewal_that_nobody_waits_for_any_more_ends_before_the_lease_is_given_back() {
    let storage = storage().await;
    for _ in 0..100 {
        let claimed = storage.claim(holder(1), LONG).await.unwrap();
        assert!(claimed.is_some(), "it was given back");
        {
            let mut renewal = pin!(storage.claim(holder(1), LONG));
            let is_under_way =
                poll_fn(|context| Poll::Ready(renewal.as_mut().poll(context).is_pending()));
            assert!(is_under_way.await);
        }
        storage.release(holder(1)).await.unwrap();
        assert!(storage.claim(holder(2), LONG).await.unwrap().is_some());
        storage.release(holder(2)).await.unwrap();
    }
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

    let these = Chosen::These(vec![second, EventId::new(Uuid::from_u128(99))]);
    assert_eq!(redrive(&storage, these).await, all_of(1));
    let pending = storage.pending(MANY, &[]).await.unwrap();
    assert_eq!((pending[0].event.id(), pending[0].attempts), (second, 0));
    assert_eq!(redrive(&storage, Chosen::All).await, all_of(2));
    assert_eq!(storage.dead_letters(MANY).await.unwrap(), []);
    assert_eq!(storage.backlog().await.unwrap().pending, 3);
}

async fn redrive(storage: &MongoStorage, letters: Chosen) -> Redriven {
    storage.redrive(letters, SystemTime::now()).await.unwrap()
}

const fn all_of(pending: u64) -> Redriven {
    let purged = Vec::new();
    Redriven { pending, purged }
}

/// Stores a user that was renamed and deleted, all of whose events were given up; the user and the events.
async fn give_up(storage: &MongoStorage, now: Epoch, number: u16) -> (User, [EventId; 3]) {
    let (user, created) = new_user(number, &format!("user{number}@example.com"));
    let (next, updated) = renamed(&user, number + 100);
    let removed = EventId::new(Uuid::from_u128(u128::from(number) << 64));
    let (gone, removed) = next.delete(CENTURY, removed, next.updated_at()).unwrap();
    let events = [created.id(), updated.id(), removed.id()];
    storage.create(user, created, None, write()).await.unwrap();
    storage.update(next, updated, write()).await.unwrap();
    let gone = storage.update(gone, removed, write()).await.unwrap();
    for event in events {
        storage.bury(event, now, "refused").await.unwrap();
    }
    (gone, events)
}

#[tokio::test]
async fn of_a_purged_user_a_redrive_publishes_the_deletion_alone_and_names_the_rest() {
    let options = options();
    let users = collection(&options.database, "users").await;
    let storage = storage_with(&uri(), options).await;
    let now = storage.claim(holder(1), LONG).await.unwrap().unwrap();
    let (removed, of_removed) = give_up(&storage, now, 1).await;
    let (over, of_over) = give_up(&storage, now, 2).await;
    let (_, of_deleted) = give_up(&storage, now, 3).await;
    let of = |user: &User| doc! { "_id": mongodb::bson::Uuid::from_bytes(user.id().as_uuid().into_bytes()) };
    users.delete_one(of(&removed)).await.unwrap();
    // The time has come, and the database has not removed it yet.
    let past = doc! { "$set": { "purge_time": DateTime::from_millis(1) } };
    users.update_one(of(&over), past).await.unwrap();

    let redriven = redrive(&storage, Chosen::All).await;
    let stays = [of_removed[0], of_removed[1], of_over[0], of_over[1]];
    assert_eq!((redriven.pending, redriven.purged.len()), (5, 4));
    assert!(stays.iter().all(|event| redriven.purged.contains(event)));
    let pending = storage.pending(MANY, &[]).await.unwrap();
    let pending: Vec<EventId> = pending.iter().map(|record| record.event.id()).collect();
    assert!(of_deleted.iter().all(|event| pending.contains(event)));
    assert!(pending.contains(&of_removed[2]) && pending.contains(&of_over[2]));
    let letters = storage.dead_letters(MANY).await.unwrap();
    assert!(
        letters
            .iter()
            .all(|letter| stays.contains(&letter.event) && letter.reason == "refused")
    );

    let again = redrive(&storage, Chosen::These(stays.to_vec())).await;
    assert_eq!(
        (again.pending, again.purged.len()),
        (0, 4),
        "also when they are named"
    );
}

#[tokio::test]
async fn what_is_discarded_is_gone_and_only_dead_letters_can_be() {
    let options = options();
    let outbox = collection(&options.database, "outbox").await;
    let storage = storage_with(&uri(), options).await;
    let now = storage.claim(holder(1), LONG).await.unwrap().unwrap();
    let mut dead = Vec::new();
    for number in 1..=3 {
        let event = create(&storage, number).await;
        storage.bury(event, now, "refused").await.unwrap();
        dead.push(event);
    }
    let waits = create(&storage, 4).await;
    let these = Chosen::These(vec![dead[1], waits]);
    assert_eq!(storage.discard(these.clone()).await.unwrap(), 1);
    let left = storage.dead_letters(MANY).await.unwrap();
    let left: Vec<EventId> = left.iter().map(|letter| letter.event).collect();
    assert_eq!(left, [dead[0], dead[2]]);
    assert_eq!(storage.discard(these).await.unwrap(), 0);
    assert_eq!(storage.discard(Chosen::All).await.unwrap(), 2);
    assert_eq!(redrive(&storage, Chosen::All).await, all_of(0));
    let pending = storage.pending(MANY, &[]).await.unwrap();
    assert_eq!(pending[0].event.id(), waits);
    assert_eq!(outbox.count_documents(doc! {}).await.unwrap(), 1);
}

#[tokio::test]
async fn a_lease_of_a_crashed_holder_keeps_its_epoch_when_it_renews_late() {
    let storage = storage().await;
    let short = Duration::from_millis(1);
    let first = storage.claim(holder(1), short).await.unwrap();
    let again = storage.claim(holder(1), LONG).await.unwrap();
    assert_eq!(first, again, "it never changed hands");
}
