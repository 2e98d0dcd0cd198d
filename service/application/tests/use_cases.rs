//! Use cases and relay over fakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use user_application::testkit::{FixedClock, ImmediateTimer, Recorder, SequentialIds, new_user};
use user_application::{
    Backoff, CreateUser, GetUser, NewUser, Outbox, OutboxError, Relay, RepositoryError,
    UseCaseError, UserRepository,
};
use user_domain::{Email, EventId, User, UserEvent, UserId, UserName};

/// A storage as simple as it can be, which answers an error when it is told to.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    users: BTreeMap<UserId, User>,
    events: Vec<UserEvent>,
    error: Option<RepositoryError>,
}

impl UserRepository for Store {
    async fn create(&self, user: User, event: UserEvent) -> Result<(), RepositoryError> {
        let mut state = self.0.lock().unwrap();
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        state.users.insert(user.id(), user);
        state.events.push(event);
        Ok(())
    }

    async fn get(&self, id: UserId) -> Result<User, RepositoryError> {
        self.0
            .lock()
            .unwrap()
            .users
            .get(&id)
            .cloned()
            .ok_or(RepositoryError::NotFound)
    }
}

impl Outbox for Store {
    async fn wait(&self) -> Result<(), OutboxError> {
        std::future::pending().await
    }

    async fn pending(&self, limit: NonZeroUsize) -> Result<Vec<UserEvent>, OutboxError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .events
            .iter()
            .take(limit.get())
            .cloned()
            .collect())
    }

    async fn acknowledge(&self, published: &[EventId]) -> Result<(), OutboxError> {
        self.0
            .lock()
            .unwrap()
            .events
            .retain(|event| !published.contains(&event.id()));
        Ok(())
    }
}

fn ada() -> NewUser {
    NewUser {
        name: UserName::parse("Ada").unwrap(),
        email: Email::parse("ada@example.com").unwrap(),
    }
}

fn create_user(store: &Store) -> CreateUser<Store, FixedClock, SequentialIds> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(42);
    CreateUser::new(store.clone(), FixedClock(now), SequentialIds::default())
}

#[tokio::test]
async fn a_created_user_is_stored_with_its_event_and_found() {
    let store = Store::default();
    let user = create_user(&store).execute(ada()).await.unwrap();
    assert_eq!(
        user.created_at(),
        SystemTime::UNIX_EPOCH + Duration::from_secs(42)
    );
    assert_eq!(store.0.lock().unwrap().events[0].user_id(), user.id());
    assert_eq!(GetUser::new(store).execute(user.id()).await.unwrap(), user);
}

#[tokio::test]
async fn what_the_storage_answers_becomes_what_the_caller_can_act_on() {
    type Expected = fn(&UseCaseError) -> bool;
    let cases: [(RepositoryError, Expected); 5] = [
        (RepositoryError::EmailTaken, |e| {
            matches!(e, UseCaseError::EmailTaken)
        }),
        (RepositoryError::NotFound, |e| {
            matches!(e, UseCaseError::UserNotFound)
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
        let store = Store::default();
        store.0.lock().unwrap().error = Some(error);
        let got = create_user(&store).execute(ada()).await.unwrap_err();
        assert!(expected(&got), "{got:?}");
    }
}

async fn store_with_events(count: u16) -> (Store, Vec<EventId>) {
    let store = Store::default();
    let mut ids = Vec::new();
    for number in 1..=count {
        let (user, event) = new_user(number, "ada@example.com");
        ids.push(event.id());
        store.create(user, event).await.unwrap();
    }
    (store, ids)
}

fn relay(
    store: &Store,
    recorder: &Recorder,
    backoff: Backoff,
) -> Relay<Store, Recorder, ImmediateTimer, Recorder> {
    Relay::new(
        store.clone(),
        recorder.clone(),
        ImmediateTimer,
        recorder.clone(),
        backoff,
    )
}

#[tokio::test]
async fn the_relay_told_to_stop_first_publishes_everything_in_order() {
    // More than two batches.
    let (store, ids) = store_with_events(600).await;
    let recorder = Recorder::default();
    relay(&store, &recorder, Backoff::default())
        .run(std::future::ready(()))
        .await;
    assert_eq!(recorder.published(), ids);
    assert_eq!(recorder.acknowledged(), 600);
    assert!(store.0.lock().unwrap().events.is_empty());
}

#[tokio::test]
async fn a_failing_publisher_is_tried_again_and_nothing_is_lost_or_reordered() {
    let (store, ids) = store_with_events(10).await;
    let recorder = Recorder::failing(4);
    let backoff = Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(3),
    };
    let never_before_done = async {
        while !store.0.lock().unwrap().events.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    relay(&store, &recorder, backoff)
        .run(never_before_done)
        .await;
    assert_eq!(
        recorder.published(),
        ids,
        "what was out in a failed batch is not sent again"
    );
    assert_eq!(recorder.acknowledged(), 10);
    let pauses: Vec<u64> = recorder.pauses().iter().map(Duration::as_secs).collect();
    assert_eq!(pauses, [1, 2, 3, 3]);
}

#[tokio::test]
async fn from_the_word_to_stop_on_the_relay_takes_the_shortest_pause() {
    let (store, ids) = store_with_events(5).await;
    let recorder = Recorder::failing(3);
    let backoff = Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(30),
    };
    relay(&store, &recorder, backoff)
        .run(std::future::ready(()))
        .await;
    assert_eq!(recorder.published(), ids);
    assert_eq!(recorder.pauses(), [Duration::from_secs(1); 3]);
}
