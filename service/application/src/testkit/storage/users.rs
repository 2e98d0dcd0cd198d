//! Rules of the repository.

use std::time::{Duration, Instant};

use futures::future;
use user_domain::{Email, EventId, User, UserChange, UserId};
use uuid::Uuid;

use super::{Storage, create, pending};
use crate::testkit::{deleted, new_user, renamed, write};
use crate::{RepositoryError, RequestKey, Write};

async fn found(storage: &impl Storage, id: UserId) -> Result<User, RepositoryError> {
    storage.get(id, write().deadline).await
}

fn request(id: u128, asked: u8) -> RequestKey {
    RequestKey {
        id: Uuid::from_u128(id),
        fingerprint: [asked; 32],
    }
}

/// A user read back equals the one created, the address in the case it was typed in.
pub async fn a_created_user_is_found_unchanged(storage: impl Storage) {
    let (user, event) = new_user(1, "Ada@Example.com");
    let stored = storage.create(user.clone(), event, None, write()).await;
    assert_eq!(stored.expect("created"), user);
    let found = found(&storage, user.id()).await.expect("found");
    assert_eq!(found, user);
    assert_eq!(found.email().as_str(), "Ada@Example.com");
}

/// Asking for nobody is an error of its own.
pub async fn an_unknown_user_is_not_found(storage: impl Storage) {
    let (user, _) = new_user(1, "ada@example.com");
    let result = found(&storage, user.id()).await;
    assert!(
        matches!(result, Err(RepositoryError::NotFound)),
        "{result:?}"
    );
}

/// Of several users those that are there are found, each once however often it is asked for, deleted ones included.
pub async fn of_several_users_those_that_are_there_are_found_once(storage: impl Storage) {
    let (ada, _) = create(&storage, 1).await;
    let (grace, _) = create(&storage, 2).await;
    create(&storage, 3).await;
    let (grace, event) = deleted(&grace, 4);
    let stored = storage.update(grace.clone(), event, write()).await;
    stored.expect("deleted");
    let (unknown, _) = new_user(5, "unknown@example.com");
    let ids = [grace.id(), unknown.id(), ada.id(), grace.id()];
    let found = storage.get_many(&ids, write().deadline).await;
    let mut found = found.expect("found");
    found.sort_by_key(User::id);
    let mut there = [ada, grace];
    there.sort_by_key(User::id);
    assert_eq!(found, there);
    let none = storage.get_many(&[unknown.id()], write().deadline).await;
    assert_eq!(none.expect("found"), []);
}

/// Addresses are unique regardless of case.
pub async fn an_address_in_another_case_is_taken(storage: impl Storage) {
    let (first, event) = new_user(1, "ada@example.com");
    let stored = storage.create(first, event, None, write()).await;
    stored.expect("created");
    let (second, event) = new_user(2, "ADA@Example.COM");
    let result = storage.create(second, event, None, write()).await;
    assert!(
        matches!(result, Err(RepositoryError::EmailTaken)),
        "{result:?}"
    );
}

/// Two users never share an identifier.
pub async fn an_identifier_is_taken_once(storage: impl Storage) {
    let (first, event) = new_user(1, "ada@example.com");
    let id = first.id();
    let stored = storage.create(first, event, None, write()).await;
    stored.expect("created");
    let (other, _) = new_user(2, "grace@example.com");
    let (second, event) = User::create(
        id,
        EventId::new(Uuid::from_u128(2)),
        other.name().clone(),
        other.email().clone(),
        other.created_at(),
    );
    let result = storage.create(second, event, None, write()).await;
    assert!(
        matches!(result, Err(RepositoryError::IdTaken)),
        "{result:?}"
    );
}

/// User and event are stored both or neither.
pub async fn a_refused_user_leaves_neither_user_nor_event(storage: impl Storage) {
    let (first, event) = new_user(1, "ada@example.com");
    let first_event = event.id();
    let stored = storage.create(first, event, None, write()).await;
    stored.expect("created");
    let (second, event) = new_user(2, "ada@example.com");
    let id = second.id();
    let refused = storage.create(second, event, None, write()).await;
    refused.expect_err("taken");
    assert!(matches!(
        found(&storage, id).await,
        Err(RepositoryError::NotFound)
    ));
    assert_eq!(pending(&storage).await, [first_event]);
}

/// A change is stored whole, with its event after the one before.
pub async fn a_changed_user_is_found_at_its_next_version(storage: impl Storage) {
    let (user, created) = create(&storage, 1).await;
    let (next, event) = renamed(&user, 1);
    let changed = event.id();
    let stored = storage.update(next.clone(), event, write()).await;
    assert_eq!(stored.expect("changed"), next);
    assert_eq!(found(&storage, user.id()).await.expect("found"), next);
    assert_eq!(pending(&storage).await, [created, changed]);
}

fn moved(user: &User, number: u16, email: &str) -> (User, user_domain::UserEvent) {
    let change = UserChange {
        name: None,
        email: Some(Email::parse(email).expect("valid address")),
    };
    let event = EventId::new(Uuid::from_u128(u128::from(number)));
    let updated = user.update(change, event, user.updated_at());
    updated.expect("not deleted").expect("another address")
}

/// Whoever changes the address leaves the old one to others.
pub async fn an_address_is_free_once_its_user_has_another(storage: impl Storage) {
    let (user, _) = create(&storage, 1).await;
    let (next, event) = moved(&user, 1, "new@example.com");
    let stored = storage.update(next, event, write()).await;
    stored.expect("changed");
    let (other, event) = new_user(2, "user1@example.com");
    let stored = storage.create(other, event, None, write()).await;
    stored.expect("the address is free");
    let (third, event) = new_user(3, "NEW@example.com");
    let refused = storage.create(third, event, None, write()).await;
    assert!(
        matches!(refused, Err(RepositoryError::EmailTaken)),
        "{refused:?}"
    );
}

/// A change is refused as a creation is.
pub async fn an_address_of_another_user_is_not_taken_over_by_a_change(storage: impl Storage) {
    let (user, _) = create(&storage, 1).await;
    create(&storage, 2).await;
    let (next, event) = moved(&user, 1, "User2@example.com");
    let refused = storage.update(next, event, write()).await;
    assert!(
        matches!(refused, Err(RepositoryError::EmailTaken)),
        "{refused:?}"
    );
    assert_eq!(found(&storage, user.id()).await.expect("found"), user);
    assert_eq!(pending(&storage).await.len(), 2);
}

/// Nobody overwrites what they have not seen.
pub async fn of_many_changes_to_one_version_one_wins(storage: impl Storage) {
    let (user, _) = create(&storage, 1).await;
    let attempts = (1..=8).map(|number| {
        let (next, event) = renamed(&user, number);
        storage.update(next, event, write())
    });
    let results = future::join_all(attempts).await;
    let changed = results.iter().filter(|result| result.is_ok()).count();
    let refused = results
        .iter()
        .filter(|result| matches!(result, Err(RepositoryError::Changed)))
        .count();
    assert_eq!((changed, refused), (1, 7), "{results:?}");
    assert_eq!(pending(&storage).await.len(), 2);
}

/// There is nothing to change.
pub async fn a_change_to_an_unknown_user_is_refused(storage: impl Storage) {
    let (user, _) = new_user(1, "ada@example.com");
    let (next, event) = renamed(&user, 1);
    let result = storage.update(next, event, write()).await;
    assert!(
        matches!(result, Err(RepositoryError::NotFound)),
        "{result:?}"
    );
    assert!(pending(&storage).await.is_empty());
}

/// Who asks again is answered the same and nothing more is stored.
pub async fn a_repeated_request_is_answered_as_the_first_time(storage: impl Storage) {
    let (user, event) = new_user(1, "ada@example.com");
    let first = storage
        .create(user, event, Some(request(7, 1)), write())
        .await;
    let (user, event) = new_user(2, "ada@example.com");
    let again = storage
        .create(user, event, Some(request(7, 1)), write())
        .await;
    assert_eq!(again.expect("answered"), first.expect("created"));
    assert_eq!(pending(&storage).await.len(), 1);
}

/// An identifier that was used for something else is refused.
pub async fn a_request_id_is_for_one_request(storage: impl Storage) {
    let (user, event) = new_user(1, "ada@example.com");
    let first = storage
        .create(user, event, Some(request(7, 1)), write())
        .await;
    first.expect("created");
    let (user, event) = new_user(2, "grace@example.com");
    let other = storage
        .create(user, event, Some(request(7, 2)), write())
        .await;
    assert!(
        matches!(other, Err(RepositoryError::RequestIdReused)),
        "{other:?}"
    );
    assert_eq!(pending(&storage).await.len(), 1);
}

/// Without storing anything.
pub async fn what_a_request_made_is_found_by_it_and_no_other(storage: impl Storage) {
    let deadline = write().deadline;
    let none = storage.made_by(request(7, 1), deadline).await;
    assert_eq!(none.expect("answered"), None);
    let (user, event) = new_user(1, "ada@example.com");
    let made = storage
        .create(user, event, Some(request(7, 1)), write())
        .await;
    let found = storage.made_by(request(7, 1), deadline).await;
    assert_eq!(found.expect("answered"), Some(made.expect("created")));
    let other = storage.made_by(request(7, 2), deadline).await;
    assert!(
        matches!(other, Err(RepositoryError::RequestIdReused)),
        "{other:?}"
    );
    assert_eq!(pending(&storage).await.len(), 1);
}

/// Also when the repetitions do not wait for each other.
pub async fn of_one_request_sent_many_times_at_once_one_user_comes(storage: impl Storage) {
    let attempts = (1..=8).map(|number| {
        let (user, event) = new_user(number, "ada@example.com");
        storage.create(user, event, Some(request(7, 1)), write())
    });
    let results = future::join_all(attempts).await;
    let mut users: Vec<UserId> = results
        .into_iter()
        .map(|result| result.expect("answered").id())
        .collect();
    users.dedup();
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(pending(&storage).await.len(), 1);
}

/// A caller that is not waiting any more gets nothing done.
pub async fn nothing_is_begun_after_the_deadline(storage: impl Storage) {
    let (user, event) = new_user(1, "ada@example.com");
    let late = Write {
        deadline: Instant::now()
            .checked_sub(Duration::from_millis(1))
            .expect("the clock has run that long"),
        ..write()
    };
    let result = storage.create(user, event, None, late).await;
    assert!(
        matches!(result, Err(RepositoryError::Unavailable(_))),
        "{result:?}"
    );
    assert!(pending(&storage).await.is_empty());
}

/// Uniqueness holds under concurrency: one is created, the others are told that the address is taken.
pub async fn of_many_racing_for_one_address_one_wins(storage: impl Storage) {
    let attempts = (1..=16).map(|number| {
        let (user, event) = new_user(number, "ada@example.com");
        storage.create(user, event, None, write())
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
