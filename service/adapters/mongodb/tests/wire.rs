//! What is asked of the database, as the proxy on the way sees it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::faults::{Ways, ways, ways_with};
use support::options;
use user_adapter_mongodb::{MongoStorage, ReadPreference, StorageOptions};
use user_application::testkit::{new_user, renamed, write};
use user_application::{
    Backlog, DeadLetters, Listing, Order, Outbox, RelayId, UserFilter, UserRepository,
};
use uuid::Uuid;

const MANY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);
const HOLDER: RelayId = RelayId(Uuid::nil());
const LEASE: Duration = Duration::from_secs(15);

/// Counts calls and breaks none.
fn counted(mut rule: Value) -> Value {
    rule["after"] = json!(u64::MAX);
    rule["action"] = json!("cut");
    rule
}

async fn list(storage: &MongoStorage) {
    let listing = Listing {
        filter: UserFilter::default(),
        order: Order::OldestFirst,
        after: None,
        limit: MANY,
    };
    let deadline = write().deadline;
    let found = storage.list(listing, SystemTime::now(), deadline).await;
    assert_eq!(found.unwrap().len(), 1);
}

#[tokio::test]
async fn what_may_be_stale_is_read_where_the_setting_says_and_all_else_at_the_primary() {
    for (preference, mode) in [
        (ReadPreference::SecondaryPreferred, "secondaryPreferred"),
        (ReadPreference::Nearest, "nearest"),
    ] {
        let Ways {
            broken: storage,
            faults,
            ..
        } = ways_with(StorageOptions {
            read_preference: preference,
            ..options()
        })
        .await;
        let anywhere = |collection: &str| json!({"command": "*", "collection": collection, "readPreference": mode});
        faults
            .set(json!([
                counted(anywhere("users")),
                counted(anywhere("outbox")),
                counted(anywhere("requests")),
                counted(anywhere("leases")),
            ]))
            .await;
        let (user, event) = new_user(1, "ada@example.com");
        let id = user.id();
        let first = event.id();
        let user = storage.create(user, event, None, write()).await.unwrap();
        let (next, event) = renamed(&user, 1);
        storage.update(next, event, write()).await.unwrap();
        storage.get(id, write().deadline).await.unwrap();
        storage.get_many(&[id], write().deadline).await.unwrap();
        let holder = storage.holder_of(user.email(), SystemTime::now(), write().deadline);
        assert_eq!(holder.await.unwrap(), Some(id));
        storage.claim(HOLDER, LEASE).await.unwrap();
        assert_eq!(storage.pending(MANY, &[]).await.unwrap().len(), 2);
        storage.acknowledge(&[first]).await.unwrap();
        storage.dead_letters(MANY).await.unwrap();
        assert_eq!(faults.calls().await, [0, 0, 0, 0]);
        list(&storage).await;
        assert_eq!(faults.calls().await, [1, 0, 0, 0]);
        assert_eq!(storage.backlog().await.unwrap().pending, 1);
        assert_eq!(faults.calls().await, [1, 2, 0, 0]);
    }
}

#[tokio::test]
async fn an_idle_relay_costs_one_command_for_each_renewal_and_each_look() {
    let Ways {
        broken: storage,
        faults,
        ..
    } = ways().await;
    storage.claim(HOLDER, LEASE).await.unwrap().unwrap();
    faults.set(json!([counted(json!({"command": "*"}))])).await;
    storage.claim(HOLDER, LEASE).await.unwrap().unwrap();
    assert_eq!(faults.calls().await, [1]);
    assert_eq!(storage.pending(MANY, &[]).await.unwrap(), []);
    assert_eq!(faults.calls().await, [2]);
    assert_eq!(storage.backlog().await.unwrap(), Backlog::default());
    assert_eq!(faults.calls().await, [3]);
}
