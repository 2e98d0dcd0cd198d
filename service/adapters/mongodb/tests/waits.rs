//! What is told of calls that wait for a connection.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use support::faults::{Ways, ways_with};
use support::{eventually, options, variable};
use user_adapter_mongodb::{ConnectionEvent, MongoStorage, StorageObserver, StorageOptions};
use user_application::testkit::{new_user, write};
use user_application::{Outbox as _, UserRepository as _, Write};

const CALLS: u16 = 40;
const SLOTS: u32 = 2;

/// Counts as the service's metrics do.
#[derive(Clone, Debug, Default)]
struct Waits {
    pending: Arc<AtomicI64>,
    most_pending: Arc<AtomicI64>,
    timeouts: Arc<AtomicU64>,
    longest: Arc<Mutex<Duration>>,
}

impl Waits {
    fn over(&self, waited: Duration) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
        let mut longest = self.longest.lock().unwrap();
        *longest = waited.max(*longest);
    }

    fn pending(&self) -> i64 {
        self.pending.load(Ordering::Relaxed)
    }
}

impl StorageObserver for Waits {
    fn connection(&self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Awaited => {
                let pending = self.pending.fetch_add(1, Ordering::Relaxed) + 1;
                self.most_pending.fetch_max(pending, Ordering::Relaxed);
            }
            ConnectionEvent::Admitted(waited) | ConnectionEvent::Taken(waited) => self.over(waited),
            ConnectionEvent::Refused { is_timeout } => {
                self.pending.fetch_sub(1, Ordering::Relaxed);
                self.timeouts
                    .fetch_add(u64::from(is_timeout), Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

async fn observed(options: StorageOptions) -> (MongoStorage, Waits) {
    let waits = Waits::default();
    let uri = variable("TEST_MONGODB_FAULTS_URI");
    let storage = MongoStorage::connect_observed(&uri, options, waits.clone());
    (storage.await.unwrap(), waits)
}

#[tokio::test]
async fn calls_that_wait_their_turn_are_told_of_and_so_are_those_that_wait_in_vain() {
    let options = StorageOptions {
        max_pool_size: SLOTS,
        ..options()
    };
    let Ways { faults, .. } = ways_with(options.clone()).await;
    let (storage, waits) = observed(options).await;
    storage.ping().await.unwrap();
    let slow = json!([{"command": "commitTransaction", "action": {"delayMs": 300}}]);
    faults.set(slow).await;
    let deadline = Instant::now() + Duration::from_secs(3);
    let creations = (1..=CALLS).map(|number| {
        let storage = &storage;
        async move {
            let (user, event) = new_user(number, &format!("user{number}@example.com"));
            let within = Write {
                deadline,
                trace: None,
            };
            storage.create(user, event, None, within).await.is_ok()
        }
    });
    let stored = futures::future::join_all(creations).await;
    faults.clear().await;
    assert!(
        stored.contains(&true) && stored.contains(&false),
        "{stored:?}"
    );
    let queue = i64::from(CALLS) - i64::from(SLOTS);
    assert!(
        waits.most_pending.load(Ordering::Relaxed) >= queue,
        "{waits:?}"
    );
    assert!(waits.timeouts.load(Ordering::Relaxed) > 0, "{waits:?}");
    let longest = *waits.longest.lock().unwrap();
    assert!(longest >= Duration::from_millis(250), "{longest:?}");
    eventually("nobody waits", || async { waits.pending() == 0 }).await;
}

#[tokio::test]
async fn who_gives_up_waiting_in_the_driver_is_not_told_of_as_waiting_for_ever() {
    let options = StorageOptions {
        max_pool_size: 1,
        ..options()
    };
    let Ways { faults, .. } = ways_with(options.clone()).await;
    let (storage, waits) = observed(options).await;
    let (user, event) = new_user(1, "ada@example.com");
    let user = storage.create(user, event, None, write()).await.unwrap();
    let hangs = json!([{"command": "aggregate", "action": "hang"}]);
    faults.set(hangs).await;
    // The first, in the background, has the only connection. The second waits for it in the driver, which says nothing
    // when that is given up.
    let counting = storage.backlog();
    let reading = async {
        let taken = "the connection is taken";
        eventually(taken, || async { faults.calls().await[0] > 0 }).await;
        let soon = Instant::now() + Duration::from_secs(1);
        let read = storage.get(user.id(), soon).await;
        assert!(read.is_err(), "{read:?}");
        assert_eq!(waits.pending(), 1, "it goes on for a moment");
        eventually("nobody waits", || async { waits.pending() == 0 }).await;
        assert_eq!(waits.timeouts.load(Ordering::Relaxed), 1);
    };
    tokio::join!(counting, reading).0.unwrap_err();
    faults.clear().await;
}
