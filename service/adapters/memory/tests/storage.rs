//! The contract of a storage, and what is this adapter's own: its bounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use user_adapter_memory::{Capacity, MemoryStorage};
use user_application::testkit::new_user;
use user_application::{Outbox, RepositoryError, UserRepository};

user_application::storage_contract!(MemoryStorage::new(Capacity::default()));

#[tokio::test]
async fn when_full_of_users_new_ones_are_refused_and_old_ones_found() {
    let storage = MemoryStorage::new(Capacity {
        users: 1,
        pending_events: 10,
    });
    let (first, event) = new_user(1, "ada@example.com");
    storage.create(first.clone(), event).await.unwrap();
    let (second, event) = new_user(2, "grace@example.com");
    let result = storage.create(second, event).await;
    assert!(matches!(result, Err(RepositoryError::Full)), "{result:?}");
    assert_eq!(storage.get(first.id()).await.unwrap(), first);
    assert_eq!((storage.user_count(), storage.pending_count()), (1, 1));
}

#[tokio::test]
async fn when_full_of_events_users_are_refused_until_some_are_acknowledged() {
    let storage = MemoryStorage::new(Capacity {
        users: 10,
        pending_events: 1,
    });
    let (first, event) = new_user(1, "ada@example.com");
    let id = event.id();
    storage.create(first, event).await.unwrap();
    let (second, event) = new_user(2, "grace@example.com");
    let result = storage.create(second.clone(), event.clone()).await;
    assert!(matches!(result, Err(RepositoryError::Full)), "{result:?}");
    storage.acknowledge(&[id]).await.unwrap();
    storage.create(second, event).await.unwrap();
}

#[tokio::test]
async fn a_duplicate_is_called_a_duplicate_even_when_full() {
    let storage = MemoryStorage::new(Capacity {
        users: 1,
        pending_events: 1,
    });
    let (first, event) = new_user(1, "ada@example.com");
    storage.create(first, event).await.unwrap();
    let (second, event) = new_user(2, "ada@example.com");
    let result = storage.create(second, event).await;
    assert!(
        matches!(result, Err(RepositoryError::EmailTaken)),
        "{result:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_lost_between_looking_and_waiting() {
    let storage = MemoryStorage::new(Capacity::default());
    for number in 1..=200 {
        let waiting = tokio::spawn({
            let storage = storage.clone();
            async move { storage.wait().await }
        });
        let (user, event) = new_user(number, &format!("user{number}@example.com"));
        let id = event.id();
        storage.create(user, event).await.unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting)
            .await
            .expect("waiting ends")
            .unwrap()
            .unwrap();
        storage.acknowledge(&[id]).await.unwrap();
    }
}
