//! Credentials that change while events go out.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use tokio::task::{JoinHandle, JoinSet};
use user_adapter_kafka::{Framing, KafkaPublisher, ProducerObserver};
use user_application::testkit::{new_user, renamed};
use user_application::{EventPublisher as _, PublishError};
use user_settings::event_type::{USER_CREATED, USER_UPDATED};

use crate::bed::{Bed, Folder, headers, record, text};
use crate::security::{by_certificate, certificate, made};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const RENEWALS: usize = 4;
const USERS: u16 = 12;

/// Whether changed files came into force, in order.
#[derive(Clone, Default)]
struct Reloads(Arc<Mutex<Vec<bool>>>);

impl Reloads {
    fn seen(&self) -> Vec<bool> {
        self.0.lock().unwrap().clone()
    }
}

impl ProducerObserver for Reloads {
    fn reloaded(&self, in_force: bool) {
        self.0.lock().unwrap().push(in_force);
    }
}

/// A publisher by these files, which looks at them while it is used.
struct Running {
    bed: Bed,
    publisher: KafkaPublisher<Reloads>,
    reloads: Reloads,
    watch: JoinHandle<()>,
}

impl Running {
    fn with(mut bed: Bed, folder: &Folder) -> Self {
        by_certificate(&mut bed, folder);
        let reloads = Reloads::default();
        let publisher =
            KafkaPublisher::new(&bed.options(), Framing::Bare, reloads.clone()).unwrap();
        let watch = tokio::spawn(publisher.keep_current(LOOK_EVERY));
        Self {
            bed,
            publisher,
            reloads,
            watch,
        }
    }

    async fn publish(&self, number: u16) -> Result<(), PublishError> {
        let (_, event) = new_user(number, "ada@example.com");
        self.publisher.publish(&record(event)).await
    }

    async fn reloaded(&self, outcomes: &[bool]) {
        eventually("files are looked at", || async {
            self.reloads.seen() == outcomes
        })
        .await;
    }
}

async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < end, "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn write(folder: &Folder, name: &str, content: &str) {
    std::fs::write(folder.0.join(name), content).unwrap();
}

/// What the users of a test do.
#[derive(Default)]
struct Load {
    sent: AtomicU64,
    is_enough: AtomicBool,
}

/// A user with one event after the other, as a relay sends them.
async fn changes(running: Arc<Running>, load: Arc<Load>, number: u16) {
    let (mut user, event) = new_user(number, &format!("user{number}@example.com"));
    running.publisher.publish(&record(event)).await.unwrap();
    let mut count: u16 = 0;
    while !load.is_enough.load(Ordering::SeqCst) {
        count = count.wrapping_add(1);
        let (next, event) = renamed(&user, count);
        running.publisher.publish(&record(event)).await.unwrap();
        load.sent.fetch_add(1, Ordering::SeqCst);
        user = next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_renewed_under_load_and_no_event_fails_is_lost_or_out_of_order() {
    let folder = certificate("client");
    let running = Arc::new(Running::with(Bed::new().await, &folder));
    let load = Arc::new(Load::default());
    let mut users = JoinSet::new();
    for number in 1..=USERS {
        users.spawn(changes(Arc::clone(&running), Arc::clone(&load), number));
    }
    for renewal in 1..=RENEWALS {
        let before = load.sent.load(Ordering::SeqCst);
        eventually("events go out", || async {
            load.sent.load(Ordering::SeqCst) > before + 10 * u64::from(USERS)
        })
        .await;
        let renewed = |name| format!("# {renewal}\n{}", made(name));
        folder.replace(Folder::with(&[
            ("ca.crt", &renewed("ca.crt")),
            ("tls.crt", &renewed("client.crt")),
            ("tls.key", &made("client.key")),
        ]));
        running.reloaded(&vec![true; renewal]).await;
    }
    load.is_enough.store(true, Ordering::SeqCst);
    users.join_all().await;
    let sent = load.sent.load(Ordering::SeqCst);
    let topic = running.bed.settings.topic(USER_UPDATED);
    let mut highest: HashMap<Vec<u8>, u64> = HashMap::new();
    for record in running.bed.consume_all(&topic).await {
        let version: u64 = text(&headers(&record), "ce_sequence").parse().unwrap();
        let before = highest.entry(record.key().unwrap().to_vec()).or_insert(1);
        // A repetition is none.
        assert!(version <= *before + 1, "{version} after {before}");
        *before = version.max(*before);
    }
    let arrived: u64 = highest.values().map(|version| version - 1).sum();
    assert_eq!(arrived, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_not_trusted_or_trusted_the_wrong_goes_on_with_the_right_files() {
    let stranger = certificate("stranger");
    let misled = certificate("client");
    write(&misled, "ca.crt", &made("stranger.crt"));
    for folder in [stranger, misled] {
        let running = Running::with(Bed::new().await.giving_up(), &folder);
        let error = running.publish(1).await.unwrap_err();
        assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
        folder.replace(certificate("client"));
        running.reloaded(&[true]).await;
        running.publish(2).await.unwrap();
        let topic = running.bed.settings.topic(USER_CREATED);
        running.bed.consume(&topic, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_used_change_nothing_until_they_can() {
    let folder = certificate("client");
    let running = Running::with(Bed::new().await, &folder);
    write(&folder, "tls.key", "no key");
    running.reloaded(&[false]).await;
    running.publish(1).await.unwrap();
    std::fs::remove_file(folder.0.join("tls.key")).unwrap();
    running.reloaded(&[false, false]).await;
    running.publish(2).await.unwrap();
    write(
        &folder,
        "tls.key",
        &format!("# again\n{}", made("client.key")),
    );
    running.reloaded(&[false, false, true]).await;
    running.publish(3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_looked_at_once_the_publisher_is_gone() {
    let folder = certificate("client");
    let Running {
        publisher, watch, ..
    } = Running::with(Bed::new().await, &folder);
    publisher.close(Duration::from_secs(5)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), watch)
        .await
        .expect("it ends")
        .unwrap();
}
