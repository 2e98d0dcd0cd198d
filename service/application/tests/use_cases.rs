//! Use cases over fakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use support::Store;
use user_application::testkit::{FixedClock, SequentialIds, request};
use user_application::{
    BatchGetUsers, CreateUser, DeleteUser, GetUser, ListUsers, Listing, NewUser, Order, Position,
    RepositoryError, RequestContext, Target, UndeleteUser, UpdateUser, UseCaseError, UserDeletion,
    UserFilter, UserUpdate,
};
use user_domain::{Email, EventKind, User, UserChange, UserId, UserName, Version};
use uuid::Uuid;

type AnyStore = Store<false>;

fn ada() -> NewUser {
    NewUser {
        name: UserName::parse("Ada").unwrap(),
        email: Email::parse("ada@example.com").unwrap(),
        id: None,
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
    let found = GetUser::new(store, clock())
        .execute(user.id(), request().deadline)
        .await;
    assert_eq!(found.unwrap(), user);
}

#[tokio::test]
async fn a_changed_user_is_stored_at_its_next_version_with_its_event() {
    let store = AnyStore::default();
    let user = create_user(&store).execute(ada(), request()).await.unwrap();
    let update = UserUpdate {
        target: Target {
            id: user.id(),
            expected: Some(user.version()),
        },
        change: called("Ada Lovelace"),
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
        target: Target {
            id: user.id(),
            expected: None,
        },
        change: called("Ada"),
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
        target: Target {
            id: user.id(),
            expected: Version::new(2),
        },
        change: called("Grace"),
    };
    let refused = update_user(&store).execute(update, request()).await;
    assert!(matches!(refused, Err(UseCaseError::Changed)), "{refused:?}");
}

#[tokio::test]
async fn a_change_overtaken_by_another_is_made_again_unless_a_version_was_expected() {
    for (expected, works) in [(None, true), (Version::new(1), false)] {
        let store = AnyStore::default();
        let user = create_user(&store).execute(ada(), request()).await.unwrap();
        store.state().errors = vec![RepositoryError::Changed];
        let update = UserUpdate {
            target: Target {
                id: user.id(),
                expected,
            },
            change: called("Grace"),
        };
        let result = update_user(&store).execute(update, request()).await;
        assert_eq!(result.is_ok(), works, "{result:?}");
    }
}

#[tokio::test]
async fn a_change_overtaken_time_and_again_is_given_up_and_may_be_tried_again_later() {
    let store = AnyStore::default();
    let user = create_user(&store).execute(ada(), request()).await.unwrap();
    store.state().errors = std::iter::repeat_with(|| RepositoryError::Changed)
        .take(100)
        .collect();
    let update = UserUpdate {
        target: any_version(user.id()),
        change: called("Grace"),
    };
    let refused = update_user(&store).execute(update, request()).await;
    assert!(
        matches!(refused, Err(UseCaseError::Contended)),
        "{refused:?}"
    );
    assert_eq!(store.state().pending.len(), 1);
}

const DAY: Duration = Duration::from_hours(24);

fn delete_user(store: &AnyStore) -> DeleteUser<AnyStore, FixedClock, SequentialIds> {
    DeleteUser::new(store.clone(), clock(), SequentialIds::from(10), DAY)
}

fn undelete_user(
    store: &AnyStore,
    clock: FixedClock,
) -> UndeleteUser<AnyStore, FixedClock, SequentialIds> {
    UndeleteUser::new(store.clone(), clock, SequentialIds::from(11))
}

const fn any_version(id: UserId) -> Target {
    Target { id, expected: None }
}

const fn deletion(id: UserId, allow_missing: bool) -> UserDeletion {
    UserDeletion {
        target: any_version(id),
        allow_missing,
    }
}

/// A store with a deleted user.
async fn with_deleted() -> (AnyStore, User) {
    let store = AnyStore::default();
    let user = create_user(&store).execute(ada(), request()).await.unwrap();
    let delete = delete_user(&store);
    let deleted = delete.execute(deletion(user.id(), false), request()).await;
    let deleted = deleted.unwrap().expect("there was one");
    (store, deleted)
}

#[tokio::test]
async fn a_deleted_user_is_found_and_can_come_back() {
    let (store, deleted) = with_deleted().await;
    let times = deleted.deletion().expect("deleted");
    assert_eq!(
        (times.deleted_at, times.purge_at),
        (clock().0, clock().0 + DAY)
    );
    let get = GetUser::new(store.clone(), clock());
    let found = get.execute(deleted.id(), request().deadline).await;
    assert_eq!(found.unwrap(), deleted);
    let undelete = undelete_user(&store, clock());
    let back = undelete.execute(any_version(deleted.id()), request()).await;
    assert_eq!(back.unwrap().deletion(), None);
    let kinds: Vec<_> = store
        .state()
        .pending
        .iter()
        .map(|record| record.event.kind())
        .collect();
    assert_eq!(
        kinds,
        [EventKind::Created, EventKind::Deleted, EventKind::Updated]
    );
    let again = undelete.execute(any_version(deleted.id()), request()).await;
    assert!(
        matches!(again, Err(UseCaseError::UserNotDeleted)),
        "{again:?}"
    );
}

#[tokio::test]
async fn of_many_users_all_are_found_in_the_order_asked_for_or_the_first_missing_is_named() {
    let store = Store::<true>::default();
    let (ada, _) = store.add_user(1);
    let (grace, _) = store.add_user(2);
    let get = BatchGetUsers::new(store.clone(), clock());
    let deadline = request().deadline;
    let ids = [grace.id(), ada.id(), grace.id()];
    let found = get.execute(&ids, deadline).await.unwrap();
    assert_eq!(found, [grace, ada.clone(), found[0].clone()]);
    let [one, other] = [8, 9].map(|number| UserId::new(Uuid::from_u128(number)));
    let refused = get.execute(&[ada.id(), one, other], deadline).await;
    assert!(
        matches!(refused, Err(UseCaseError::UserOfManyNotFound(id)) if id == one),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_user_whose_time_has_come_is_not_found_among_many() {
    let (store, deleted) = with_deleted().await;
    let purged = FixedClock(clock().0 + DAY);
    let get = BatchGetUsers::new(store.clone(), purged);
    let refused = get.execute(&[deleted.id()], request().deadline).await;
    assert!(
        matches!(refused, Err(UseCaseError::UserOfManyNotFound(id)) if id == deleted.id()),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_deleted_user_cannot_be_changed() {
    let (store, deleted) = with_deleted().await;
    let update = UserUpdate {
        target: any_version(deleted.id()),
        change: called("Grace"),
    };
    let refused = update_user(&store).execute(update, request()).await;
    assert!(
        matches!(refused, Err(UseCaseError::UserDeleted)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn deleting_again_finds_no_user_unless_it_may_be_missing() {
    let (store, deleted) = with_deleted().await;
    let delete = delete_user(&store);
    let refused = delete.execute(deletion(deleted.id(), false), request());
    let refused = refused.await.unwrap_err();
    assert!(matches!(refused, UseCaseError::UserNotFound), "{refused:?}");
    // With the version that a first attempt saw, as a repetition has it.
    let mut again = deletion(deleted.id(), true);
    again.target.expected = Version::new(1);
    let same = delete.execute(again, request()).await;
    assert_eq!(same.unwrap(), Some(deleted));
    let nobody = UserId::new(uuid::Uuid::nil());
    let none = delete.execute(deletion(nobody, true), request()).await;
    assert_eq!(none.unwrap(), None);
    assert_eq!(store.state().pending.len(), 2);
}

#[tokio::test]
async fn a_user_at_another_version_than_expected_is_not_deleted() {
    let store = AnyStore::default();
    let user = create_user(&store).execute(ada(), request()).await.unwrap();
    let mut other = deletion(user.id(), true);
    other.target.expected = Version::new(2);
    let refused = delete_user(&store).execute(other, request()).await;
    assert!(matches!(refused, Err(UseCaseError::Changed)), "{refused:?}");
}

#[tokio::test]
async fn once_its_time_has_come_a_user_is_gone_even_if_it_is_stored_still() {
    let (store, deleted) = with_deleted().await;
    let later = FixedClock(clock().0 + DAY);
    let get = GetUser::new(store.clone(), later);
    let found = get.execute(deleted.id(), request().deadline).await;
    assert!(
        matches!(found, Err(UseCaseError::UserNotFound)),
        "{found:?}"
    );
    let undelete = undelete_user(&store, later);
    let back = undelete.execute(any_version(deleted.id()), request()).await;
    assert!(matches!(back, Err(UseCaseError::UserNotFound)), "{back:?}");
}

#[tokio::test]
async fn what_is_only_tried_runs_into_a_user_whose_time_has_come_as_long_as_it_is_stored() {
    let (store, _) = with_deleted().await;
    let later = FixedClock(clock().0 + DAY);
    let tried = || RequestContext {
        validate_only: true,
        ..request()
    };
    let create = CreateUser::new(store.clone(), later, SequentialIds::from(12));
    let created = create.execute(ada(), tried()).await;
    let grace = NewUser {
        email: Email::parse("grace@example.com").unwrap(),
        ..ada()
    };
    let grace = create.execute(grace, request()).await.unwrap();
    let change_of_address = UserUpdate {
        target: any_version(grace.id()),
        change: UserChange {
            name: None,
            email: Some(ada().email),
        },
    };
    let update = UpdateUser::new(store, later, SequentialIds::from(13));
    let moved = update.execute(change_of_address, tried()).await;
    let refused = [created, moved].map(Result::unwrap_err);
    let is_taken = |error: &UseCaseError| matches!(error, UseCaseError::EmailTaken);
    assert!(refused.iter().all(is_taken), "{refused:?}");
}

#[tokio::test]
async fn a_page_says_where_the_next_one_begins_as_long_as_there_is_one() {
    let (store, _) = AnyStore::with_users(3);
    let list = ListUsers::new(store, clock());
    let mut listing = Listing {
        filter: UserFilter::default(),
        order: Order::OldestFirst,
        after: None,
        limit: NonZeroUsize::new(2).unwrap(),
    };
    let page = list.execute(listing.clone(), request().deadline).await;
    let page = page.unwrap();
    assert_eq!(page.users.len(), 2);
    assert_eq!(page.next, Some(Position::of(&page.users[1])));
    listing.after = page.next;
    let rest = list.execute(listing.clone(), request().deadline).await;
    let rest = rest.unwrap();
    assert_eq!((rest.users.len(), rest.next), (1, None));
    // A page that is just full is the last one, too.
    listing.after = None;
    listing.limit = NonZeroUsize::new(3).unwrap();
    let whole = list.execute(listing, request().deadline).await.unwrap();
    assert_eq!((whole.users.len(), whole.next), (3, None));
}

#[tokio::test]
async fn what_the_storage_answers_becomes_what_the_caller_can_act_on() {
    type Expected = fn(&UseCaseError) -> bool;
    let cases: [(RepositoryError, Expected); 8] = [
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
        (RepositoryError::OutboxFull, |e| {
            matches!(e, UseCaseError::OutboxFull)
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
        store.state().errors = vec![error];
        let got = create_user(&store).execute(ada(), request()).await;
        assert!(expected(got.as_ref().unwrap_err()), "{got:?}");
    }
}
