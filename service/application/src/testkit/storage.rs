//! The contract of a storage: [`UserRepository`] and [`Outbox`] over the same data.
//!
//! Each function is one rule and takes a storage that is empty.

use std::num::NonZeroUsize;
use std::pin::pin;

use futures::future::{self, Either};
use user_domain::{EventId, UserEvent};

use super::new_user;
use crate::{Outbox, RepositoryError, UserRepository};

const MANY: NonZeroUsize = NonZeroUsize::MAX;

/// Both ports over the same data.
pub trait Storage: UserRepository + Outbox {}

impl<S: UserRepository + Outbox> Storage for S {}

/// One test for each rule of the contract. Needs tokio with `macros` and `rt` in the caller; the argument is evaluated
/// inside an async block and gives an empty storage.
#[macro_export]
macro_rules! storage_contract {
    ($make:expr) => {
        $crate::storage_contract! { $make =>
            a_created_user_is_found_unchanged
            an_unknown_user_is_not_found
            an_address_in_another_case_is_taken
            an_identifier_is_taken_once
            a_refused_user_leaves_neither_user_nor_event
            events_wait_in_the_order_of_creation
            reading_events_does_not_remove_them
            acknowledged_events_are_gone_and_others_stay
            acknowledging_twice_does_no_harm
            waiting_ends_when_a_user_is_created
            of_many_racing_for_one_address_one_wins
        }
    };
    ($make:expr => $($rule:ident)+) => {
        $(#[tokio::test]
        async fn $rule() {
            $crate::testkit::storage::$rule(async { $make }.await).await;
        })+
    };
}

/// The ids of all pending events.
async fn pending(storage: &impl Storage) -> Vec<EventId> {
    let events = storage.pending(MANY).await.expect("outbox works");
    events.iter().map(UserEvent::id).collect()
}

async fn create(storage: &impl Storage, number: u16) -> EventId {
    let (user, event) = new_user(number, &format!("user{number}@example.com"));
    let id = event.id();
    storage.create(user, event).await.expect("created");
    id
}

/// A user read back equals the one created, the address in the case it was typed in.
pub async fn a_created_user_is_found_unchanged(storage: impl Storage) {
    let (user, event) = new_user(1, "Ada@Example.com");
    storage.create(user.clone(), event).await.expect("created");
    let found = storage.get(user.id()).await.expect("found");
    assert_eq!(found, user);
    assert_eq!(found.email().as_str(), "Ada@Example.com");
}

/// Asking for nobody is an error of its own.
pub async fn an_unknown_user_is_not_found(storage: impl Storage) {
    let (user, _) = new_user(1, "ada@example.com");
    let result = storage.get(user.id()).await;
    assert!(
        matches!(result, Err(RepositoryError::NotFound)),
        "{result:?}"
    );
}

/// Addresses are unique regardless of case.
pub async fn an_address_in_another_case_is_taken(storage: impl Storage) {
    let (first, event) = new_user(1, "ada@example.com");
    storage.create(first, event).await.expect("created");
    let (second, event) = new_user(2, "ADA@Example.COM");
    let result = storage.create(second, event).await;
    assert!(
        matches!(result, Err(RepositoryError::EmailTaken)),
        "{result:?}"
    );
}

/// Two users never share an identifier.
pub async fn an_identifier_is_taken_once(storage: impl Storage) {
    let (first, event) = new_user(1, "ada@example.com");
    storage.create(first, event).await.expect("created");
    let (second, event) = new_user(1, "grace@example.com");
    let result = storage.create(second, event).await;
    assert!(
        matches!(result, Err(RepositoryError::IdTaken)),
        "{result:?}"
    );
}

/// User and event are stored both or neither.
pub async fn a_refused_user_leaves_neither_user_nor_event(storage: impl Storage) {
    let (first, event) = new_user(1, "ada@example.com");
    let first_event = event.id();
    storage.create(first, event).await.expect("created");
    let (second, event) = new_user(2, "ada@example.com");
    let id = second.id();
    storage.create(second, event).await.expect_err("taken");
    assert!(matches!(
        storage.get(id).await,
        Err(RepositoryError::NotFound)
    ));
    assert_eq!(pending(&storage).await, [first_event]);
}

/// Oldest first, and a limit takes from the front.
pub async fn events_wait_in_the_order_of_creation(storage: impl Storage) {
    let mut created = Vec::new();
    for number in 1..=5 {
        created.push(create(&storage, number).await);
    }
    assert_eq!(pending(&storage).await, created);
    let limit = NonZeroUsize::MIN.saturating_add(1);
    let front = storage.pending(limit).await.expect("outbox works");
    assert!(
        front
            .iter()
            .map(UserEvent::id)
            .eq(created.into_iter().take(2))
    );
}

/// Only an acknowledgement removes an event.
pub async fn reading_events_does_not_remove_them(storage: impl Storage) {
    let event = create(&storage, 1).await;
    assert_eq!(pending(&storage).await, [event]);
    assert_eq!(pending(&storage).await, [event]);
}

/// Acknowledging from the middle leaves the rest in order.
pub async fn acknowledged_events_are_gone_and_others_stay(storage: impl Storage) {
    let first = create(&storage, 1).await;
    let second = create(&storage, 2).await;
    let third = create(&storage, 3).await;
    storage.acknowledge(&[second]).await.expect("acknowledged");
    assert_eq!(pending(&storage).await, [first, third]);
}

/// A relay that crashed after acknowledging may do it again.
pub async fn acknowledging_twice_does_no_harm(storage: impl Storage) {
    let event = create(&storage, 1).await;
    storage.acknowledge(&[event]).await.expect("acknowledged");
    let other = create(&storage, 2).await;
    storage
        .acknowledge(&[event])
        .await
        .expect("acknowledged again");
    assert_eq!(pending(&storage).await, [other]);
}

/// A waiting relay hears of a new event, and waiting is over at once while one is pending.
pub async fn waiting_ends_when_a_user_is_created(storage: impl Storage) {
    {
        // Waiting starts first and is polled before the user is created.
        let waiting = pin!(storage.wait());
        let creating = pin!(create(&storage, 1));
        match future::select(waiting, creating).await {
            Either::Left((waited, creating)) => {
                waited.expect("outbox works");
                creating.await;
            }
            Either::Right((_, waiting)) => waiting.await.expect("outbox works"),
        }
    }
    storage.wait().await.expect("outbox works");
    assert_eq!(pending(&storage).await.len(), 1);
}

/// Uniqueness holds under concurrency: one is created, the others are told that the address is taken.
pub async fn of_many_racing_for_one_address_one_wins(storage: impl Storage) {
    let attempts = (1..=16).map(|number| {
        let (user, event) = new_user(number, "ada@example.com");
        storage.create(user, event)
    });
    let results = future::join_all(attempts).await;
    let created = results.iter().filter(|result| result.is_ok()).count();
    let taken = results
        .iter()
        .filter(|result| matches!(result, Err(RepositoryError::EmailTaken)))
        .count();
    assert_eq!((created, taken), (1, 15), "{results:?}");
    assert_eq!(pending(&storage).await.len(), 1);
}
