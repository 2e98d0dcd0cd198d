//! The contract of a storage, and what is this adapter's own: its bounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, SystemTime};

use user_adapter_memory::{Capacity, MemoryStorage};
use user_application::testkit::{deleted, new_user, undeleted, write};
use user_application::{Outbox, RepositoryError, RequestKey, UserRepository};
use user_domain::User;

user_application::storage_contract!(MemoryStorage::new(Capacity::default()));

#[tokio::test]
async fn when_full_of_users_new_ones_are_refused_and_old_ones_found() {
    let storage = MemoryStorage::new(Capacity {
        users: 1,
        pending_events: 10,
        ..Capacity::default()
    });
    let (first, event) = new_user(1, "ada@example.com");
    storage
        .create(first.clone(), event, None, write())
        .await
        .unwrap();
    let (second, event) = new_user(2, "grace@example.com");
    let result = storage.create(second, event, None, write()).await;
    assert!(matches!(result, Err(RepositoryError::Full)), "{result:?}");
    assert_eq!(
        storage.get(first.id(), write().deadline).await.unwrap(),
        first
    );
    assert_eq!((storage.user_count(), storage.pending_count()), (1, 1));
}

#[tokio::test]
async fn when_full_of_events_users_are_refused_until_some_are_acknowledged() {
    let storage = MemoryStorage::new(Capacity {
        users: 10,
        pending_events: 1,
        ..Capacity::default()
    });
    let (first, event) = new_user(1, "ada@example.com");
    let id = event.id();
    storage.create(first, event, None, write()).await.unwrap();
    let (second, event) = new_user(2, "grace@example.com");
    let result = storage
        .create(second.clone(), event.clone(), None, write())
        .await;
    assert!(
        matches!(result, Err(RepositoryError::OutboxFull)),
        "{result:?}"
    );
    storage.acknowledge(&[id]).await.unwrap();
    storage.create(second, event, None, write()).await.unwrap();
}

#[tokio::test]
async fn a_duplicate_is_called_a_duplicate_even_when_full() {
    let storage = MemoryStorage::new(Capacity {
        users: 1,
        pending_events: 1,
        ..Capacity::default()
    });
    let (first, event) = new_user(1, "ada@example.com");
    storage.create(first, event, None, write()).await.unwrap();
    let (second, event) = new_user(2, "ada@example.com");
    let result = storage.create(second, event, None, write()).await;
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
            async move { storage.added().await }
        });
        let (user, event) = new_user(number, &format!("user{number}@example.com"));
        let id = event.id();
        storage.create(user, event, None, write()).await.unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting)
            .await
            .expect("waiting ends")
            .unwrap();
        storage.acknowledge(&[id]).await.unwrap();
    }
}

/// The address of a deleted user, once a user was created at this time.
async fn address_after(now: SystemTime, comes_back: bool) -> Result<User, RepositoryError> {
    let storage = MemoryStorage::new(Capacity {
        users: 2,
        ..Capacity::default()
    });
    let (user, event) = new_user(1, "ada@example.com");
    storage.create(user.clone(), event, None, write()).await?;
    let (gone, event) = deleted(&user, 1);
    storage.update(gone.clone(), event, write()).await?;
    if comes_back {
        let (back, event) = undeleted(&gone, 2);
        storage.update(back, event, write()).await?;
    }
    let (template, event) = new_user(2, "ada@example.com");
    let (name, email) = (template.name().clone(), template.email().clone());
    let (second, event) = User::create(template.id(), event.id(), name, email, now);
    storage.create(second, event, None, write()).await
}

#[tokio::test]
async fn a_deleted_user_is_purged_when_its_time_has_come_unless_it_came_back() {
    let (user, _) = new_user(1, "ada@example.com");
    let purge_at = deleted(&user, 1).0.deletion().unwrap().purge_at;
    let before = purge_at - Duration::from_millis(1);
    for (now, comes_back, is_free) in [
        (before, false, false),
        (purge_at, false, true),
        (purge_at, true, false),
    ] {
        let result = address_after(now, comes_back).await;
        assert_eq!(result.is_ok(), is_free, "{result:?}");
    }
}

#[tokio::test]
async fn beyond_their_capacity_the_oldest_request_ids_are_forgotten() {
    let storage = MemoryStorage::new(Capacity {
        requests: 2,
        ..Capacity::default()
    });
    let create = |number: u16, id: u128| {
        let (user, event) = new_user(number, &format!("user{number}@example.com"));
        let request = RequestKey {
            id: uuid::Uuid::from_u128(id),
            fingerprint: [0; 32],
        };
        storage.create(user, event, Some(request), write())
    };
    for (number, id) in [(1, 1), (2, 2), (3, 3)] {
        create(number, id).await.unwrap();
    }
    let users = storage.user_count();
    create(4, 3).await.unwrap();
    assert_eq!(storage.user_count(), users, "remembered");
    create(5, 1).await.unwrap();
    assert_eq!(storage.user_count(), users + 1, "forgotten");
}
