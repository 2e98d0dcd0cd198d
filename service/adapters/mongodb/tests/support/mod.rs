//! What the tests share: a storage on a database of its own, which goes when the test ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod faults;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mongodb::bson::Document;
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Collection, Database};
use user_adapter_mongodb::{MigrationObserver, MongoStorage, StorageOptions};

/// Where the database of the tests is.
pub(crate) fn uri() -> String {
    variable("TEST_MONGODB_URI")
}

/// What the bed says about its servers.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}; make integration does"))
}

/// A name that no other test uses, now or on the next run.
pub(crate) fn fresh_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{count}_{}", std::process::id(), now.subsec_nanos());
    LEFTOVERS.with_borrow_mut(|leftovers| leftovers.push(Leftover(name.clone())));
    name
}

/// An empty storage with the newest schema.
pub(crate) async fn storage() -> MongoStorage {
    storage_with(&uri(), options()).await
}

/// The same at another address or with other options.
pub(crate) async fn storage_with(uri: &str, options: StorageOptions) -> MongoStorage {
    let storage = connect(uri, options).await;
    storage.migrations().migrate(None, &Silent).await.unwrap();
    storage
}

/// A storage without a schema.
pub(crate) async fn connect(uri: &str, options: StorageOptions) -> MongoStorage {
    MongoStorage::connect(uri, options).await.unwrap()
}

/// Few connections, on a fresh database.
pub(crate) fn options() -> StorageOptions {
    StorageOptions {
        database: fresh_name(),
        max_pool_size: 20,
        min_pool_size: 0,
        app_name: "adapter-tests".to_owned(),
        ..StorageOptions::default()
    }
}

/// The database itself, to look behind the storage.
pub(crate) async fn database(name: &str) -> Database {
    let mut options = ClientOptions::parse(uri()).await.unwrap();
    options.write_concern = Some(
        WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build(),
    );
    options.read_concern = Some(ReadConcern::majority());
    Client::with_options(options).unwrap().database(name)
}

/// A collection of it.
pub(crate) async fn collection(database: &str, name: &str) -> Collection<Document> {
    self::database(database).await.collection(name)
}

/// Waits until something holds, for 30 seconds at most.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < end, "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Hears nothing.
pub(crate) struct Silent;

impl MigrationObserver for Silent {
    fn waiting(&self) {}
    fn changing(&self, _version: u32, _change: &str) {}
    fn applied(&self, _version: u32) {}
}

thread_local! {
    /// The databases of the test that runs on this thread.
    static LEFTOVERS: RefCell<Vec<Leftover>> = const { RefCell::new(Vec::new()) };
}

/// A database that is dropped with this.
struct Leftover(String);

impl Drop for Leftover {
    /// As well as it can be done: a test's runtime is gone by now.
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.0);
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let dropped = async { database(&name).await.drop().await };
                let _ = tokio::time::timeout(Duration::from_secs(10), dropped).await;
            });
        });
        let _ = cleaner.join();
    }
}
