//! The schema, in versions that are applied in order and never taken back.
//!
//! Schema and service change in two steps, so that either can be rolled out while the other is the old one: a version
//! first adds what new servers need (expand) and a later one removes what no server uses any more (contract). Each says
//! with which servers it works, by the newest schema version that they know.

mod runner;
mod versions;

use std::time::{Duration, Instant, SystemTime};

use futures::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use crate::documents::SCHEMA_MIGRATIONS;
use crate::{DatabaseError, MongoStorage};
pub(crate) use versions::Version;
use versions::versions;

/// The newest schema version that this build knows.
pub const SCHEMA_KNOWN: u32 = 2;

/// The oldest schema version that this build works with.
pub const SCHEMA_NEEDED: u32 = 2;

/// How long it may take to read what was applied.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads and changes the schema of a database.
#[derive(Clone, Debug)]
pub struct Migrations {
    storage: MongoStorage,
}

/// A version that is not applied yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub version: u32,
    /// What it is for.
    pub description: &'static str,
    /// What it does, one line each.
    pub changes: Vec<String>,
}

/// A version that this build knows or that is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Which.
    pub version: u32,
    /// What it is for.
    pub description: String,
    /// When it was applied, by the database's clock; not yet if absent.
    pub applied_at: Option<SystemTime>,
    /// False if what was applied under this number is not what this build would apply.
    pub checksum_ok: bool,
}

/// Hears how a migration goes.
pub trait MigrationObserver: Send + Sync {
    /// Another run has the lock; this one waits for it.
    fn waiting(&self);

    /// A change is about to be made.
    fn changing(&self, version: u32, change: &str);

    /// A version is applied.
    fn applied(&self, version: u32);
}

/// Why the schema does not suit this build.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is too old.
    #[error("the schema is at version {has}, and this server needs {needs}: migrate first")]
    Missing {
        /// The oldest version that will do.
        needs: u32,
        /// The version that is applied; 0 for none.
        has: u32,
    },
    /// It has left servers like this one behind.
    #[error(
        "the schema is at version {has}, which works with servers that know version {compatible_from} or later; \
         this server knows up to {knows}"
    )]
    TooNew {
        /// The version that is applied.
        has: u32,
        /// What a server has to know at least.
        compatible_from: u32,
        /// What this one knows.
        knows: u32,
    },
    /// What was applied under a number is not what this build knows by it.
    #[error("schema version {version} was applied in another form than this server knows")]
    Changed {
        /// Which.
        version: u32,
    },
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a migration was not made, or not all of it. It may be run again: what was done is done once.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// There is no way back.
    #[error(
        "the schema is at version {has} and cannot go back to {to}: restore a backup, or migrate forward"
    )]
    Backwards {
        /// What was asked for.
        to: u32,
        /// The version that is applied.
        has: u32,
    },
    /// This build does not know the version.
    #[error("there is no schema version {to}; this build knows up to {knows}")]
    Unknown {
        /// What was asked for.
        to: u32,
        /// The newest that it knows.
        knows: u32,
    },
    /// What was applied under a number is not what this build knows by it.
    #[error("schema version {version} was applied in another form than this build knows")]
    Changed {
        /// Which.
        version: u32,
    },
    /// Another run has the lock and did not finish in time.
    #[error("another migration is under way")]
    Locked,
    /// Another run took the lock over because this one did not renew it in time.
    #[error("the lock was lost; another migration may be under way")]
    LockLost,
    /// A change failed.
    #[error("schema version {version}: '{change}' failed")]
    Failed {
        /// Of which version.
        version: u32,
        /// Which change.
        change: String,
        /// Why.
        source: DatabaseError,
    },
    /// The database did not answer as needed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What is recorded of a version.
struct Record {
    version: u32,
    description: String,
    checksum: String,
    compatible_from: u32,
    applied_at: SystemTime,
}

impl Migrations {
    pub(crate) const fn new(storage: MongoStorage) -> Self {
        Self { storage }
    }

    /// What a migration up to `to`, or to the newest version, would do now. Changes nothing.
    ///
    /// # Errors
    /// `Backwards`, `Unknown`, `Changed`, `Database`.
    pub async fn plan(&self, to: Option<u32>) -> Result<Vec<Planned>, MigrationError> {
        let missing = missing(&self.records().await?, to)?;
        let planned = missing.into_iter().map(|version| Planned {
            version: version.number,
            description: version.description,
            changes: version.changes.iter().map(ToString::to_string).collect(),
        });
        Ok(planned.collect())
    }

    /// Applies what is missing up to `to`, or to the newest version; how many versions. Of several runs at the same time
    /// one does it, and the others wait for it.
    ///
    /// # Errors
    /// See [`MigrationError`].
    pub async fn migrate(
        &self,
        to: Option<u32>,
        observer: &dyn MigrationObserver,
    ) -> Result<usize, MigrationError> {
        // Said before anything waits for a lock.
        missing(&self.records().await?, to)?;
        runner::run(self, to, observer).await
    }

    /// Every version that is known or applied, in order.
    ///
    /// # Errors
    /// `Database`.
    pub async fn status(&self) -> Result<Vec<Applied>, SchemaError> {
        let records = self.records().await?;
        let versions = versions();
        let mut status: Vec<Applied> = records
            .iter()
            .map(|record| Applied {
                version: record.version,
                description: record.description.clone(),
                applied_at: Some(record.applied_at),
                checksum_ok: !is_changed(record, &versions),
            })
            .collect();
        for version in versions {
            if records
                .iter()
                .all(|record| record.version != version.number)
            {
                status.push(Applied {
                    version: version.number,
                    description: version.description.to_owned(),
                    applied_at: None,
                    checksum_ok: true,
                });
            }
        }
        status.sort_by_key(|applied| applied.version);
        Ok(status)
    }

    /// Whether this build can work with the schema as it is.
    ///
    /// # Errors
    /// See [`SchemaError`].
    pub async fn check(&self) -> Result<(), SchemaError> {
        let records = self.records().await?;
        let versions = versions();
        if let Some(record) = records.iter().find(|record| is_changed(record, &versions)) {
            let version = record.version;
            return Err(SchemaError::Changed { version });
        }
        let has = level(&records);
        if has < SCHEMA_NEEDED {
            let needs = SCHEMA_NEEDED;
            return Err(SchemaError::Missing { needs, has });
        }
        let from = records.iter().map(|record| record.compatible_from).max();
        let compatible_from = from.unwrap_or_default();
        if compatible_from > SCHEMA_KNOWN {
            return Err(SchemaError::TooNew {
                has,
                compatible_from,
                knows: SCHEMA_KNOWN,
            });
        }
        Ok(())
    }

    /// What was applied, in order.
    async fn records(&self) -> Result<Vec<Record>, DatabaseError> {
        let applied = self.storage.collections.schema_migrations.clone();
        let work = async move {
            let cursor = applied.find(doc! {}).sort(doc! { "_id": 1 });
            let found: Vec<Document> = cursor.max_time(TIMEOUT).await?.try_collect().await?;
            found.iter().map(record).collect()
        };
        let deadline = Instant::now() + TIMEOUT;
        self.storage.calls.at_once(deadline, work).await
    }
}

/// The versions that have to be applied to get to `to`.
fn missing(records: &[Record], to: Option<u32>) -> Result<Vec<Version>, MigrationError> {
    let versions = versions();
    let has = level(records);
    let to = to.unwrap_or(SCHEMA_KNOWN.max(has));
    if to < has {
        return Err(MigrationError::Backwards { to, has });
    }
    if to > SCHEMA_KNOWN && to > has {
        let knows = SCHEMA_KNOWN;
        return Err(MigrationError::Unknown { to, knows });
    }
    if let Some(record) = records.iter().find(|record| is_changed(record, &versions)) {
        let version = record.version;
        return Err(MigrationError::Changed { version });
    }
    Ok(versions
        .into_iter()
        .filter(|version| version.number > has && version.number <= to)
        .collect())
}

fn level(records: &[Record]) -> u32 {
    let newest = records.iter().map(|record| record.version).max();
    newest.unwrap_or_default()
}

fn is_changed(record: &Record, versions: &[Version]) -> bool {
    versions
        .iter()
        .any(|version| version.number == record.version && version.checksum() != record.checksum)
}

fn record(document: &Document) -> Result<Record, DatabaseError> {
    let unreadable = |field| DatabaseError::Unreadable {
        collection: SCHEMA_MIGRATIONS,
        field,
    };
    let number = |field| {
        let number = document.get_i64(field).ok();
        let number = number.and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| unreadable(field))
    };
    let text = |field| document.get_str(field).map(ToOwned::to_owned);
    Ok(Record {
        version: number("_id")?,
        description: text("description").map_err(|_| unreadable("description"))?,
        checksum: text("checksum").map_err(|_| unreadable("checksum"))?,
        compatible_from: number("compatible_from")?,
        applied_at: document
            .get_datetime("applied_at")
            .map_err(|_| unreadable("applied_at"))?
            .to_system_time(),
    })
}
