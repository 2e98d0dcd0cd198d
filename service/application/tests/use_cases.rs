//! Use cases over fakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, SystemTime};

use support::Store;
use user_application::testkit::{FixedClock, SequentialIds, request};
use user_application::{
    CreateUser, GetUser, NewUser, RepositoryError, UpdateUser, UseCaseError, UserUpdate,
};
use user_domain::{Email, EventKind, UserChange, UserName, Version};

type AnyStore = Store<false>;

fn ada() -> NewUser {
    NewUser {
        name: UserName::parse("Ada").unwrap(),
        email: Email::parse("ada@example.com").unwrap(),
    }
}

fn clock() -> FixedClock {
    FixedClock(SystemTime::UNIX_EPOCH + Duration::from_secs(42))
}

fn create_user(store: &AnyStore) -> CreateUser<AnyStore, FixedClock, SequentialIds> {
    CreateUser::new(store.clone(), clock(), SequentialIds::default())
}

fn update_user(store: &AnyStore) -> UpdateUser<AnyStore, FixedClock, SequentialIds> {
    UpdateUser::new(store.clone(), clock(), SequentialIds::from(9))
}

fn called(name: &str) -> UserChange {
    UserChange {
        name: Some(UserName::parse(name).unwrap()),
        email: None,
    }
}

#[tokio::test]
async fn a_created_user_is_stored_with_its_event_and_found() {
    let store = AnyStore::default();
    let user = create_user(&store).execute(ada(), request()).await.unwrap();
    assert_eq!(user.created_at(), clock().0);
    assert_eq!(store.state().pending[0].event.user_id(), user.id());
    let found = GetUser::new(store)
        .execute(user.id(), request().deadline)
        .await;
    assert_eq!(found.unwrap(), user);
}

#[tokio::test]
async fn a_changed_user_is_stored_at_its_next_version_with_its_event() {
    let store = AnyStore::default();
    let user = create_user(&store).execute(ada(), request()).await.unwrap();
    let update = UserUpdate {
        id: user.id(),
        change: called("Ada Lovelace"),
        expected: Some(user.version()),
    };
    let changed = update_user(&store)
        .execute(update, request())
        .await
        .unwrap();
    assert_eq!(changed.name().as_str(), "Ada Lovelace");
    assert_eq!(changed.version(), user.version().next());
    let event = store.state().pending[1].event.clone();
    assert_eq!(
        (event.kind(), event.version()),
        (EventKind::Updated, changed.version())
    );
}

#[tokio::test]
async fn a_change_that_changes_nothing_makes_no_event() {
    let store = AnyStore::default();
    let user = create_user(&store).execute(ada(), request()).await.unwrap();
    let update = UserUpdate {
        id: user.id(),
        change: called("Ada"),
        expected: None,
    };
    let same = update_user(&store).execute(update, request()).await;
    assert_eq!(same.unwrap(), user);
    assert_eq!(store.state().pending.len(), 1);
}

#[tokio::test]
async fn a_change_to_another_version_than_expected_is_refused() {
    let store = AnyStore::default();
    let user = create_user(&store).execute(ada(), request()).await.unwrap();
    let update = UserUpdate {
        id: user.id(),
        change: called("Grace"),
        expected: Version::new(2),
    };
    let refused = update_user(&store).execute(update, request()).await;
    assert!(matches!(refused, Err(UseCaseError::Changed)), "{refused:?}");
}

#[tokio::test]
async fn a_change_overtaken_by_another_is_made_again_unless_a_version_was_expected() {
    for (expected, works) in [(None, true), (Version::new(1), false)] {
        let store = AnyStore::default();
        let user = create_user(&store).execute(ada(), request()).await.unwrap();
        store.state().error = Some(RepositoryError::Changed);
        let update = UserUpdate {
            id: user.id(),
            change: called("Grace"),
            expected,
        };
        let result = update_user(&store).execute(update, request()).await;
        assert_eq!(result.is_ok(), works, "{result:?}");
    }
}

#[tokio::test]
async fn what_the_storage_answers_becomes_what_the_caller_can_act_on() {
    type Expected = fn(&UseCaseError) -> bool;
    let cases: [(RepositoryError, Expected); 7] = [
        (RepositoryError::EmailTaken, |e| {
            matches!(e, UseCaseError::EmailTaken)
        }),
        (RepositoryError::NotFound, |e| {
            matches!(e, UseCaseError::UserNotFound)
        }),
        (RepositoryError::Changed, |e| {
            matches!(e, UseCaseError::Changed)
        }),
        (RepositoryError::RequestIdReused, |e| {
            matches!(e, UseCaseError::RequestIdReused)
        }),
        (RepositoryError::Full, |e| {
            matches!(e, UseCaseError::CapacityReached)
        }),
        (RepositoryError::Unavailable("down".into()), |e| {
            matches!(e, UseCaseError::Unavailable(_))
        }),
        (RepositoryError::IdTaken, |e| {
            matches!(e, UseCaseError::Internal(_))
        }),
    ];
    for (error, expected) in cases {
        let store = AnyStore::default();
        store.state().error = Some(error);
        let got = create_user(&store).execute(ada(), request()).await;
        assert!(expected(got.as_ref().unwrap_err()), "{got:?}");
    }
}
