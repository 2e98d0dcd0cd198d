//! The schema: how it comes to be, and with which servers it works.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use mongodb::bson::{DateTime, doc};
use serde_json::json;
use support::faults::{Ways, ways_with};
use support::{Silent, collection, connect, database, eventually, options, storage_with, uri};
use user_adapter_mongodb::{
    MigrationError, MigrationObserver, Migrations, SCHEMA_KNOWN, SchemaError,
};
use user_application::UserRepository as _;
use user_application::testkit::{deleted, new_user, write};

/// How many versions there are.
const ALL: usize = SCHEMA_KNOWN as usize;

/// The migrations of an empty database, and its name.
async fn empty() -> (Migrations, String) {
    let options = options();
    let name = options.database.clone();
    (connect(&uri(), options).await.migrations(), name)
}

/// The migrations of a database with the newest schema, and its name.
async fn newest() -> (Migrations, String) {
    let options = options();
    let name = options.database.clone();
    (storage_with(&uri(), options).await.migrations(), name)
}

/// As if a later build had applied a version that works with servers from `compatible_from` on.
async fn apply_unknown_version(database: &str, compatible_from: u32) {
    let records = collection(database, "schema_migrations").await;
    let record = doc! {
        "_id": i64::from(SCHEMA_KNOWN + 1),
        "description": "of the future",
        "checksum": "unknown",
        "compatible_from": i64::from(compatible_from),
        "applied_at": DateTime::now(),
    };
    records.insert_one(record).await.unwrap();
}

#[derive(Default)]
struct Noted(Mutex<Vec<String>>);

impl MigrationObserver for Noted {
    fn waiting(&self) {
        self.0.lock().unwrap().push("waiting".to_owned());
    }

    fn changing(&self, version: u32, change: &str) {
        self.0.lock().unwrap().push(format!("{version} {change}"));
    }

    fn applied(&self, version: u32) {
        self.0.lock().unwrap().push(format!("{version} applied"));
    }
}

#[tokio::test]
async fn an_empty_database_is_refused_until_it_is_migrated() {
    let (migrations, _) = empty().await;
    let refused = migrations.check().await.unwrap_err();
    assert!(
        matches!(refused, SchemaError::Missing { needs: 2, has: 0 }),
        "{refused}"
    );
    assert_eq!(migrations.migrate(None, &Silent).await.unwrap(), ALL);
    migrations.check().await.unwrap();
}

#[tokio::test]
async fn a_plan_says_what_will_be_done_and_does_nothing() {
    let (migrations, _) = empty().await;
    let planned = migrations.plan(None).await.unwrap();
    let expected: Vec<String> = planned
        .iter()
        .flat_map(|planned| {
            let version = planned.version;
            let changes = planned.changes.iter();
            let changes = changes.map(move |change| format!("{version} {change}"));
            changes.chain([format!("{version} applied")])
        })
        .collect();
    assert_eq!(migrations.status().await.unwrap()[0].applied_at, None);
    let noted = Noted::default();
    migrations.migrate(None, &noted).await.unwrap();
    let noted = noted.0.into_inner().unwrap();
    assert_eq!(noted, expected);
    assert_eq!(migrations.plan(None).await.unwrap(), []);
}

#[tokio::test]
async fn a_second_run_finds_nothing_to_do() {
    let (migrations, _) = newest().await;
    let before = migrations.status().await.unwrap();
    assert_eq!(migrations.migrate(None, &Silent).await.unwrap(), 0);
    assert_eq!(
        migrations
            .migrate(Some(SCHEMA_KNOWN), &Silent)
            .await
            .unwrap(),
        0
    );
    let after = migrations.status().await.unwrap();
    assert_eq!(after, before);
    assert!(
        after
            .iter()
            .all(|applied| applied.checksum_ok && applied.applied_at.is_some())
    );
}

#[tokio::test]
async fn a_run_that_crashed_half_way_is_finished_by_the_next() {
    let (migrations, name) = newest().await;
    let records = collection(&name, "schema_migrations").await;
    records.delete_many(doc! {}).await.unwrap();
    let outbox = collection(&name, "outbox").await;
    outbox.drop_index("expires_at_1").await.unwrap();
    collection(&name, "requests").await.drop().await.unwrap();
    assert_eq!(migrations.migrate(None, &Silent).await.unwrap(), ALL);
    migrations.check().await.unwrap();
    let indexes = outbox.list_index_names().await.unwrap();
    assert!(indexes.contains(&"expires_at_1".to_owned()), "{indexes:?}");
    let collections = database(&name).await.list_collection_names().await.unwrap();
    assert!(
        collections.contains(&"requests".to_owned()),
        "{collections:?}"
    );
}

#[tokio::test]
async fn of_several_runs_at_once_one_does_it() {
    let options = options();
    let runs = (0..4).map(|_| {
        let options = options.clone();
        async move {
            let storage = connect(&uri(), options).await;
            storage.migrations().migrate(None, &Silent).await.unwrap()
        }
    });
    let mut applied = futures::future::join_all(runs).await;
    applied.sort_unstable();
    assert_eq!(applied, [0, 0, 0, ALL]);
}

/// As a run leaves it that was killed.
#[tokio::test]
async fn a_lock_that_nobody_renews_is_waited_for() {
    let (migrations, name) = empty().await;
    let hour = Duration::from_secs(3600);
    let held = doc! {
        "_id": "migrations",
        "holder": "somebody else",
        "epoch": 1_i64,
        "until": DateTime::from_system_time(SystemTime::now() + hour),
    };
    let leases = collection(&name, "leases").await;
    leases.insert_one(held).await.unwrap();
    let noted = Noted::default();
    let ends = async {
        let waits = || async { *noted.0.lock().unwrap() == ["waiting"] };
        eventually("it waits", waits).await;
        let past = DateTime::from_system_time(SystemTime::now() - hour);
        let ended = doc! { "$set": { "until": past } };
        leases.update_one(doc! {}, ended).await.unwrap();
    };
    let (applied, ()) = futures::join!(migrations.migrate(None, &noted), ends);
    assert_eq!(applied.unwrap(), ALL);
}

#[tokio::test]
async fn renewals_that_fail_end_no_run_while_its_lock_lasts() {
    let options = options();
    let name = options.database.clone();
    let Ways { broken, faults, .. } = ways_with(options).await;
    let records = collection(&name, "schema_migrations").await;
    records.delete_many(doc! {}).await.unwrap();
    let late = json!({"error": {"code": 50, "codeName": "MaxTimeMSExpired"}});
    faults
        .set(json!([
            {"command": "findAndModify", "collection": "leases", "after": 1, "action": late}
        ]))
        .await;
    let applied = broken.migrations().migrate(None, &Silent).await;
    assert_eq!(applied.unwrap(), ALL);
    faults.clear().await;
}

/// Gives the lock to somebody else before each change.
struct TakenOver(String);

impl MigrationObserver for TakenOver {
    fn waiting(&self) {}

    fn changing(&self, _version: u32, _change: &str) {
        let database = self.0.clone();
        let taker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let leases = collection(&database, "leases").await;
                let taken = doc! { "$set": { "holder": "somebody else" } };
                let lock = doc! { "_id": "migrations" };
                leases.update_one(lock, taken).await.unwrap();
            });
        });
        taker.join().unwrap();
    }

    fn applied(&self, _version: u32) {}
}

#[tokio::test]
async fn a_run_whose_lock_was_taken_over_changes_nothing_more() {
    let (migrations, name) = empty().await;
    let taken_over = migrations.migrate(None, &TakenOver(name.clone())).await;
    let lost = taken_over.unwrap_err();
    assert!(matches!(lost, MigrationError::LockLost), "{lost}");
    let collections = database(&name).await.list_collection_names().await.unwrap();
    assert_eq!(collections, ["leases"]);
}

#[tokio::test]
async fn a_version_that_was_applied_in_another_form_is_refused() {
    let (migrations, name) = newest().await;
    let records = collection(&name, "schema_migrations").await;
    let edit = doc! { "$set": { "checksum": "edited" } };
    records
        .update_one(doc! { "_id": 1_i64 }, edit)
        .await
        .unwrap();
    let refused = migrations.check().await.unwrap_err();
    assert!(
        matches!(refused, SchemaError::Changed { version: 1 }),
        "{refused}"
    );
    let refused = migrations.migrate(None, &Silent).await.unwrap_err();
    assert!(
        matches!(refused, MigrationError::Changed { version: 1 }),
        "{refused}"
    );
    assert!(!migrations.status().await.unwrap()[0].checksum_ok);
}

#[tokio::test]
async fn a_newer_schema_is_tolerated_as_long_as_it_works_with_this_build() {
    let (migrations, name) = newest().await;
    apply_unknown_version(&name, SCHEMA_KNOWN).await;
    migrations.check().await.unwrap();
    assert_eq!(migrations.migrate(None, &Silent).await.unwrap(), 0);
    assert_eq!(
        migrations.status().await.unwrap()[ALL].description,
        "of the future"
    );
}

#[tokio::test]
async fn a_newer_schema_that_left_this_build_behind_is_refused() {
    let (migrations, name) = newest().await;
    apply_unknown_version(&name, SCHEMA_KNOWN + 1).await;
    let refused = migrations.check().await.unwrap_err();
    assert!(
        matches!(
            refused,
            SchemaError::TooNew {
                has: 3,
                compatible_from: 3,
                knows: 2
            }
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn there_is_no_way_back_and_none_to_what_is_unknown() {
    let (migrations, _) = newest().await;
    let refused = migrations.migrate(Some(0), &Silent).await.unwrap_err();
    assert!(
        matches!(refused, MigrationError::Backwards { to: 0, has: 2 }),
        "{refused}"
    );
    let refused = migrations.plan(Some(SCHEMA_KNOWN + 1)).await.unwrap_err();
    assert!(
        matches!(refused, MigrationError::Unknown { to: 3, knows: 2 }),
        "{refused}"
    );
}

#[tokio::test]
async fn users_of_before_are_found_and_can_be_deleted_and_are_removed_in_time() {
    let options = options();
    let name = options.database.clone();
    let storage = connect(&uri(), options).await;
    storage
        .migrations()
        .migrate(Some(1), &Silent)
        .await
        .unwrap();
    let (user, event) = new_user(1, "ada@example.com");
    let created = storage.create(user.clone(), event, None, write()).await;
    created.unwrap();
    storage.migrations().migrate(None, &Silent).await.unwrap();
    assert_eq!(
        storage.get(user.id(), write().deadline).await.unwrap(),
        user
    );
    let (gone, event) = deleted(&user, 1);
    storage.update(gone.clone(), event, write()).await.unwrap();
    assert_eq!(
        storage.get(user.id(), write().deadline).await.unwrap(),
        gone
    );
    let users = collection(&name, "users").await;
    let indexes: Vec<_> = users
        .list_indexes()
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let purge = indexes
        .iter()
        .find(|index| index.keys == doc! { "purge_time": 1 })
        .and_then(|index| index.options.as_ref())
        .expect("an index");
    assert_eq!(purge.expire_after, Some(Duration::ZERO));
}

#[tokio::test]
async fn the_database_itself_refuses_what_is_not_of_the_schema() {
    let (_, name) = newest().await;
    let users = collection(&name, "users").await;
    let refused = users.insert_one(doc! { "name": "Ada" }).await;
    refused.unwrap_err();
}
