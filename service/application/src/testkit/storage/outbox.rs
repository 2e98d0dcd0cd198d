//! Rules of the outbox.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use futures::future::{self, Either};
use user_domain::EventId;
use uuid::Uuid;

use super::{MANY, Storage, create, pending};
use crate::testkit::{new_user, renamed, write};
use crate::{Backlog, Epoch, OutboxRecord, RelayId, TraceContext, Write};

async fn epoch(storage: &impl Storage) -> Epoch {
    let holder = RelayId(Uuid::from_u128(1));
    let claimed = storage.claim(holder, Duration::from_secs(60)).await;
    claimed.expect("outbox works").expect("free")
}

async fn record(storage: &impl Storage, event: EventId) -> OutboxRecord {
    let records = storage.pending(MANY, &[]).await.expect("outbox works");
    let record = records
        .into_iter()
        .find(|record| record.event.id() == event);
    record.expect("pending")
}

/// Oldest first, and a limit takes from the front.
pub async fn events_wait_in_the_order_of_creation(storage: impl Storage) {
    let mut created = Vec::new();
    for number in 1..=5 {
        created.push(create(&storage, number).await.1);
    }
    assert_eq!(pending(&storage).await, created);
    let limit = NonZeroUsize::MIN.saturating_add(1);
    let front = storage.pending(limit, &[]).await.expect("outbox works");
    let front: Vec<EventId> = front.iter().map(|record| record.event.id()).collect();
    assert_eq!(Some(front.as_slice()), created.get(..2));
}

/// The versions of one user never overtake each other, whatever the clocks of their writers said.
pub async fn events_of_one_user_wait_in_the_order_of_versions(storage: impl Storage) {
    let (mut user, first) = create(&storage, 1).await;
    let mut expected = vec![first];
    for number in (1..=4).rev() {
        let (next, event) = renamed(&user, number);
        expected.push(event.id());
        let stored = storage.update(next, event, write()).await;
        user = stored.expect("changed");
    }
    assert_eq!(pending(&storage).await, expected);
}

/// The event with the trace of its request.
pub async fn an_event_is_read_back_as_it_was_stored(storage: impl Storage) {
    let (user, event) = new_user(1, "Ada@Example.com");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = TraceContext::parse(parent, Some("vendor=1"));
    let traced = Write {
        trace: trace.clone(),
        ..write()
    };
    let stored = storage.create(user, event.clone(), None, traced).await;
    stored.expect("created");
    let expected = OutboxRecord {
        event: event.clone(),
        trace,
        attempts: 0,
    };
    assert_eq!(record(&storage, event.id()).await, expected);
}

/// Only an acknowledgement removes an event.
pub async fn reading_events_does_not_remove_them(storage: impl Storage) {
    let (_, event) = create(&storage, 1).await;
    assert_eq!(pending(&storage).await, [event]);
    assert_eq!(pending(&storage).await, [event]);
}

/// Acknowledging from the middle leaves the rest in order.
pub async fn acknowledged_events_are_gone_and_others_stay(storage: impl Storage) {
    let (_, first) = create(&storage, 1).await;
    let (_, second) = create(&storage, 2).await;
    let (_, third) = create(&storage, 3).await;
    storage.acknowledge(&[second]).await.expect("acknowledged");
    assert_eq!(pending(&storage).await, [first, third]);
}

/// A relay that crashed after acknowledging may do it again.
pub async fn acknowledging_twice_does_no_harm(storage: impl Storage) {
    let (_, event) = create(&storage, 1).await;
    storage.acknowledge(&[event]).await.expect("acknowledged");
    let (_, other) = create(&storage, 2).await;
    let again = storage.acknowledge(&[event]).await;
    again.expect("acknowledged again");
    assert_eq!(pending(&storage).await, [other]);
}

/// Users whose next event waits for another attempt do not fill the batch.
pub async fn events_of_excepted_users_are_passed_over(storage: impl Storage) {
    let (first, _) = create(&storage, 1).await;
    let (_, second) = create(&storage, 2).await;
    let others = storage.pending(NonZeroUsize::MIN, &[first.id()]).await;
    let others = others.expect("outbox works");
    assert!(others.iter().map(|record| record.event.id()).eq([second]));
}

/// Attempts survive whoever counted them, and one who was overtaken counts nothing.
pub async fn attempts_are_counted_in_the_present_epoch_only(storage: impl Storage) {
    let (_, event) = create(&storage, 1).await;
    let now = epoch(&storage).await;
    storage.count_attempt(event, now).await.expect("counted");
    storage.count_attempt(event, now).await.expect("counted");
    let over = Epoch(now.0 - 1);
    storage.count_attempt(event, over).await.expect("no effect");
    assert_eq!(record(&storage, event).await.attempts, 2);
}

/// An event that was given up makes way for the next one of its user.
pub async fn a_buried_event_is_pending_no_more(storage: impl Storage) {
    let (user, first) = create(&storage, 1).await;
    let (next, event) = renamed(&user, 1);
    let second = event.id();
    let stored = storage.update(next, event, write()).await;
    stored.expect("changed");
    let now = epoch(&storage).await;
    let over = Epoch(now.0 - 1);
    storage
        .bury(first, over, "refused")
        .await
        .expect("no effect");
    assert_eq!(pending(&storage).await, [first, second]);
    storage.bury(first, now, "refused").await.expect("buried");
    assert_eq!(pending(&storage).await, [second]);
}

/// What waits can be counted without reading it.
pub async fn the_backlog_counts_what_waits_and_knows_the_oldest(storage: impl Storage) {
    let empty = storage.backlog().await.expect("outbox works");
    assert_eq!(empty, Backlog::default());
    create(&storage, 3).await;
    let (_, other) = create(&storage, 4).await;
    let backlog = storage.backlog().await.expect("outbox works");
    let oldest = SystemTime::UNIX_EPOCH + Duration::from_millis(3);
    assert_eq!((backlog.pending, backlog.oldest), (2, Some(oldest)));
    storage.acknowledge(&[other]).await.expect("acknowledged");
    assert_eq!(storage.backlog().await.expect("outbox works").pending, 1);
}

/// A waiting relay hears of a new event.
pub async fn waiting_ends_when_a_user_is_created(storage: impl Storage) {
    {
        // Waiting starts first and is polled before the user is created.
        let waiting = pin!(storage.added());
        let creating = pin!(create(&storage, 1));
        match future::select(waiting, creating).await {
            Either::Left(((), creating)) => {
                creating.await;
            }
            Either::Right((_, waiting)) => waiting.await,
        }
    }
    create(&storage, 2).await;
    // Heard also by who begins to wait only now.
    storage.added().await;
    assert_eq!(pending(&storage).await.len(), 2);
}
