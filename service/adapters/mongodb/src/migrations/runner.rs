//! One run of the migrations, under a lock.

use std::pin::pin;
use std::time::{Duration, Instant};

use mongodb::Database;
use mongodb::bson::{Document, Uuid as FreshUuid, doc};
use mongodb::error::Error;
use uuid::Uuid;

use super::versions::{Change, Version};
use super::{MigrationError, MigrationObserver, Migrations, missing};
use crate::DatabaseError;
use crate::error::code;
use crate::lease::Lease;
use crate::storage::literal;

const LOCK: &str = "migrations";
/// How long a run that is not heard of keeps others out.
const LOCK_DURATION: Duration = Duration::from_secs(60);
const RENEW_EVERY: Duration = Duration::from_secs(15);
const CLAIM_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a run waits for another one; longer than the lock of one that crashed.
const WAIT: Duration = Duration::from_mins(5);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long one change may take: an index over everything that is stored.
const CHANGE_TIMEOUT: Duration = Duration::from_hours(2);

const NAMESPACE_EXISTS: i32 = 48;

/// Applies what is missing.
pub(super) async fn run(
    migrations: &Migrations,
    to: Option<u32>,
    observer: &dyn MigrationObserver,
) -> Result<usize, MigrationError> {
    let mut lock = Lock::take(migrations, observer).await?;
    let result = apply_missing(migrations, &mut lock, to, observer).await;
    // It ends by itself if this fails.
    let _ = lock.release().await;
    result
}

async fn apply_missing(
    migrations: &Migrations,
    lock: &mut Lock<'_>,
    to: Option<u32>,
    observer: &dyn MigrationObserver,
) -> Result<usize, MigrationError> {
    // Anew, since another run may have ended just before.
    let versions = missing(&migrations.records().await?, to)?;
    for version in &versions {
        for change in &version.changes {
            let name = change.to_string();
            observer.changing(version.number, &name);
            let database = migrations.storage.database.clone();
            let change = change.clone();
            let made = lock.hold(async move { make(&database, &change).await });
            made.await?.map_err(|source| MigrationError::Failed {
                version: version.number,
                change: name,
                source,
            })?;
        }
        let applied = migrations.storage.collections.schema_migrations.clone();
        let number = i64::from(version.number);
        let record = record(version);
        lock.hold(async move {
            let update = applied.update_one(doc! { "_id": number }, record);
            update.upsert(true).await?;
            Ok(())
        })
        .await??;
        observer.applied(version.number);
    }
    Ok(versions.len())
}

/// The lock of a run.
struct Lock<'a> {
    migrations: &'a Migrations,
    lease: Lease,
    holder: Uuid,
    /// When it was last asked for with success; it lasts from then on at least.
    claimed: Instant,
}

impl<'a> Lock<'a> {
    async fn take(
        migrations: &'a Migrations,
        observer: &dyn MigrationObserver,
    ) -> Result<Self, MigrationError> {
        let mut lock = Self {
            migrations,
            lease: Lease::new(migrations.storage.collections.leases.clone(), LOCK),
            holder: Uuid::from_bytes(FreshUuid::new().bytes()),
            claimed: Instant::now(),
        };
        lock.make().await?;
        let end = Instant::now() + WAIT;
        let mut waits = false;
        while !lock.claim().await? {
            if Instant::now() >= end {
                return Err(MigrationError::Locked);
            }
            if !waits {
                waits = true;
                observer.waiting();
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(lock)
    }

    /// In an empty database, where there is not even the collection.
    async fn make(&self) -> Result<(), DatabaseError> {
        let lease = self.lease.clone();
        let work = async move { lease.make().await };
        let deadline = Instant::now() + CLAIM_TIMEOUT;
        self.migrations.storage.calls.at_once(deadline, work).await
    }

    async fn claim(&mut self) -> Result<bool, DatabaseError> {
        let (lease, holder) = (self.lease.clone(), self.holder);
        let work = async move { Ok(lease.claim(holder, LOCK_DURATION).await?.is_some()) };
        let asked = Instant::now();
        let calls = &self.migrations.storage.calls;
        let claimed = calls.at_once(asked + CLAIM_TIMEOUT, work).await;
        if matches!(claimed, Ok(true)) {
            self.claimed = asked;
        }
        claimed
    }

    /// Makes it last anew. That may fail as long as it lasts beyond the next try.
    async fn renew(&mut self) -> Result<(), MigrationError> {
        match self.claim().await {
            Ok(false) => Err(MigrationError::LockLost),
            Err(error) if self.claimed.elapsed() + RENEW_EVERY + CLAIM_TIMEOUT >= LOCK_DURATION => {
                Err(error.into())
            }
            Ok(true) | Err(_) => Ok(()),
        }
    }

    /// Does the work and renews the lock meanwhile.
    async fn hold(
        &mut self,
        work: impl Future<Output = Result<(), DatabaseError>> + Send + 'static,
    ) -> Result<Result<(), DatabaseError>, MigrationError> {
        let migrations = self.migrations;
        let calls = &migrations.storage.calls;
        let mut work = pin!(calls.at_once(Instant::now() + CHANGE_TIMEOUT, work));
        loop {
            // What is under way goes on if this fails, and can be made again without harm.
            self.renew().await?;
            if let Ok(done) = tokio::time::timeout(RENEW_EVERY, work.as_mut()).await {
                return Ok(done);
            }
        }
    }

    async fn release(&self) -> Result<(), DatabaseError> {
        let (lease, holder) = (self.lease.clone(), self.holder);
        let work = async move { lease.release(holder).await };
        let deadline = Instant::now() + CLAIM_TIMEOUT;
        self.migrations.storage.calls.at_once(deadline, work).await
    }
}

/// Makes a change, whether it was made before or not.
async fn make(database: &Database, change: &Change) -> Result<(), DatabaseError> {
    match change {
        Change::Collection { name, validator } => {
            // Moderate: what was stored under other rules can still be changed.
            let rules = doc! {
                "validator": validator.clone(),
                "validationLevel": "moderate",
                "validationAction": "error",
            };
            match command(database, "create", name, rules.clone()).await {
                Err(error) if code(&error) == Some(NAMESPACE_EXISTS) => {
                    command(database, "collMod", name, rules).await?;
                }
                done => done?,
            }
        }
        Change::Index { collection, index } => {
            let indexes = doc! { "indexes": [index.clone()] };
            command(database, "createIndexes", collection, indexes).await?;
        }
    }
    Ok(())
}

async fn command(
    database: &Database,
    verb: &str,
    collection: &str,
    rest: Document,
) -> Result<(), Error> {
    let mut command = doc! { verb: collection };
    command.extend(rest);
    // The driver adds none of its own here. Without a limit on the wait: index builds take their time.
    command.insert("writeConcern", doc! { "w": "majority", "j": true });
    database.run_command(command).await?;
    Ok(())
}

/// What is recorded of a version, with the server's time.
fn record(version: &Version) -> Vec<Document> {
    vec![doc! { "$set": {
        "description": literal(version.description),
        "checksum": literal(version.checksum()),
        "compatible_from": literal(i64::from(version.compatible_from)),
        "applied_at": "$$NOW",
    } }]
}
