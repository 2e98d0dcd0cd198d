//! The contract of a storage on a way to the database that breaks now and then: what comes of it has to be the same.
//!
//! Which calls break is drawn from a seed, which each test prints; with `WEATHER_SEED` it is drawn again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "a failure has to show its seed")]

mod support;

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;

use mongodb::options::{ClientOptions, ServerAddress};
use mongodb_faults::{Rule, Rules, serve};
use serde_json::{Value, json};
use support::{connect, options, storage_with, uri};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use user_adapter_mongodb::MongoStorage;
use user_application::testkit::{new_user, renamed, write};
use user_application::{Outbox as _, UserRepository as _};

const MANY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// How calls may break: the command, the collection if it matters, how.
fn kinds() -> Vec<(&'static str, Option<&'static str>, Value)> {
    let error = |code: i32, name: &str| {
        let labels = ["TransientTransactionError", "RetryableWriteError"];
        json!({"error": {"code": code, "codeName": name, "labels": labels}})
    };
    let conflict = || error(112, "WriteConflict");
    let stepped_down = || error(10107, "NotWritablePrimary");
    let lost = || json!("dropAnswer");
    let cut = || json!("cut");
    vec![
        ("commitTransaction", None, lost()),
        ("commitTransaction", None, cut()),
        ("insert", Some("users"), conflict()),
        ("insert", Some("users"), lost()),
        ("insert", Some("outbox"), conflict()),
        ("insert", Some("outbox"), stepped_down()),
        ("insert", Some("requests"), conflict()),
        ("update", Some("users"), conflict()),
        ("update", Some("users"), cut()),
        ("update", Some("outbox"), stepped_down()),
        ("update", Some("leases"), conflict()),
        ("find", Some("users"), cut()),
        ("find", Some("outbox"), lost()),
        ("aggregate", Some("outbox"), cut()),
        ("findAndModify", Some("leases"), stepped_down()),
    ]
}

/// Numbers from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Each kind breaks one call or none, the first always one: no weather is fair. More in a row are an outage, of which
/// the contract says nothing.
fn weather(seed: u64) -> Vec<Rule> {
    let mut chance = Chance(seed);
    let mut rules = Vec::new();
    for (command, collection, action) in kinds() {
        let (breaks, after) = (chance.below(4) > 0, chance.below(3));
        if breaks || rules.is_empty() {
            let mut rule =
                json!({"command": command, "after": after, "times": 1, "action": action});
            if let Some(collection) = collection {
                rule["collection"] = json!(collection);
            }
            rules.push(serde_json::from_value(rule).unwrap());
        }
    }
    rules
}

fn seed() -> u64 {
    let seed = match std::env::var("WEATHER_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => RandomState::new().hash_one(()),
    };
    println!("WEATHER_SEED={seed}");
    seed
}

/// A storage, and what breaks on its way.
async fn out_in_the_weather() -> (MongoStorage, Arc<Rules>) {
    let rules = Arc::new(Rules::default());
    rules.replace(weather(seed())).unwrap();
    let first = ClientOptions::parse(uri()).await.unwrap().hosts.remove(0);
    let ServerAddress::Tcp { host, port } = first else {
        panic!("{first}");
    };
    let upstream = format!("{host}:{}", port.unwrap_or(27017));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        upstream,
        Arc::clone(&rules),
        CancellationToken::new(),
    ));
    let options = options();
    storage_with(&uri(), options.clone()).await;
    let through = format!("mongodb://{address}/?directConnection=true");
    (connect(&through, options).await, rules)
}

/// Whether the test below makes more such calls than a rule lets through first.
fn is_due(rule: &Rule) -> bool {
    matches!(
        (&*rule.command, rule.collection.as_deref()),
        ("commitTransaction", None)
            | ("insert", Some("users" | "outbox"))
            | ("update", Some("users"))
    )
}

user_application::storage_contract!(out_in_the_weather().await.0);

#[tokio::test]
async fn the_weather_is_bad_and_every_event_is_stored_once_nonetheless() {
    let (storage, rules) = out_in_the_weather().await;
    let mut events = Vec::new();
    for number in 1..=8 {
        let (user, event) = new_user(number, &format!("user{number}@example.com"));
        events.push(event.id());
        let user = storage.create(user, event, None, write()).await.unwrap();
        let (next, event) = renamed(&user, 100 + number);
        events.push(event.id());
        storage.update(next, event, write()).await.unwrap();
    }
    let stored = storage.pending(MANY, &[]).await.unwrap();
    let mut stored: Vec<_> = stored.iter().map(|record| record.event.id()).collect();
    stored.sort();
    events.sort();
    assert_eq!(stored, events);
    let mut due = rules.seen();
    due.retain(|seen| is_due(&seen.rule));
    assert!(!due.is_empty(), "there is weather");
    assert!(due.iter().all(|seen| seen.hits == 1), "{due:?}");
}
