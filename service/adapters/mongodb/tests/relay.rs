//! Relays over this storage: all events go out, those of one user in order.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use serde_json::json;
use support::eventually;
use support::faults::{Ways, ways};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use user_adapter_mongodb::MongoStorage;
use user_application::testkit::{Recorder, new_user, renamed, write};
use user_application::{
    Backoff, DeadLetters, Outbox, Relay, RelayId, RelayPolicy, Timer, UserRepository,
};
use user_domain::{EventId, UserId};
use uuid::Uuid;

const USERS: u16 = 12;
const CHANGES: u16 = 5;

/// The runtime's timer; the longest pause counts as chance.
struct RealTimer;

impl Timer for RealTimer {
    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }

    fn jitter(&self, longest: Duration) -> Duration {
        longest
    }
}

fn relay(
    number: u128,
    storage: &MongoStorage,
    recorder: &Recorder,
    stop: &CancellationToken,
) -> JoinHandle<()> {
    let policy = RelayPolicy {
        holder: RelayId(Uuid::from_u128(number)),
        lease: Duration::from_secs(60),
        publish_within: Duration::from_millis(500),
        attempts: 3,
        backoff: Backoff {
            first: Duration::from_millis(5),
            longest: Duration::from_millis(50),
        },
    };
    let (storage, recorder, stop) = (storage.clone(), recorder.clone(), stop.clone());
    tokio::spawn(async move {
        let relay = Relay::new(storage, recorder.clone(), RealTimer, recorder, policy);
        relay.run(stop.cancelled_owned()).await;
    })
}

/// Creates users and changes each of them; the events of each, in order.
async fn write_all(storage: &MongoStorage) -> HashMap<UserId, Vec<EventId>> {
    let writers = (1..=USERS).map(|number| async move {
        let (mut user, event) = new_user(number, &format!("user{number}@example.com"));
        let mut events = vec![event.id()];
        storage
            .create(user.clone(), event, None, write())
            .await
            .unwrap();
        for change in 1..=CHANGES {
            let (next, event) = renamed(&user, USERS * number + change);
            events.push(event.id());
            user = storage.update(next, event, write()).await.unwrap();
        }
        (user.id(), events)
    });
    futures::future::join_all(writers)
        .await
        .into_iter()
        .collect()
}

async fn nothing_waits(storage: &MongoStorage) {
    eventually("nothing waits", || async {
        storage
            .backlog()
            .await
            .is_ok_and(|backlog| backlog.pending == 0)
    })
    .await;
}

/// Each event was published, and for each user the first appearances are in order.
fn all_in_order(published: &[EventId], written: &HashMap<UserId, Vec<EventId>>) {
    for events in written.values() {
        let mut seen = HashSet::new();
        let first: Vec<EventId> = published
            .iter()
            .filter(|event| events.contains(event) && seen.insert(**event))
            .copied()
            .collect();
        assert_eq!(&first, events);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_publish_every_event_in_order() {
    let Ways {
        straight, broken, ..
    } = ways().await;
    let (recorder, stop) = (Recorder::default(), CancellationToken::new());
    let relays = [
        relay(1, &straight, &recorder, &stop),
        relay(2, &broken, &recorder, &stop),
    ];
    let written = write_all(&straight).await;
    nothing_waits(&straight).await;
    stop.cancel();
    for relay in relays {
        relay.await.unwrap();
    }
    let noted = recorder.noted();
    all_in_order(&noted.published, &written);
    let total = usize::from(USERS * (CHANGES + 1));
    assert_eq!(noted.published.len(), total, "none went out twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_whose_storage_breaks_now_and_then_loses_nothing() {
    let Ways {
        straight,
        broken,
        faults,
    } = ways().await;
    faults
        .set(json!([
            {"command": "update", "collection": "outbox", "after": 1, "times": 6, "action": "cut"},
            {"command": "find", "collection": "outbox", "after": 2, "times": 5, "action": "dropAnswer"},
            {"command": "findAndModify", "after": 1, "times": 1, "action": "cut"},
        ]))
        .await;
    let (recorder, stop) = (Recorder::default(), CancellationToken::new());
    let relay = relay(1, &broken, &recorder, &stop);
    let written = write_all(&straight).await;
    nothing_waits(&straight).await;
    stop.cancel();
    relay.await.unwrap();
    all_in_order(&recorder.noted().published, &written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_event_becomes_a_dead_letter_and_its_user_goes_on() {
    let Ways { straight, .. } = ways().await;
    let (recorder, stop) = (Recorder::default(), CancellationToken::new());
    let (user, event) = new_user(1, "ada@example.com");
    let poison = event.id();
    let fails = user_application::testkit::Fails::Refused;
    recorder.noted().poison.insert(poison, (fails, 100));
    straight
        .create(user.clone(), event, None, write())
        .await
        .unwrap();
    let (next, event) = renamed(&user, 1);
    let follows = event.id();
    straight.update(next, event, write()).await.unwrap();
    let relay = relay(1, &straight, &recorder, &stop);
    nothing_waits(&straight).await;
    stop.cancel();
    relay.await.unwrap();
    assert_eq!(recorder.noted().published, [follows]);
    let letters = straight.dead_letters(NonZeroUsize::MIN).await.unwrap();
    assert_eq!((letters[0].event, letters[0].attempts), (poison, 3));
}
