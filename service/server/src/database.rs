//! The database: how it is reached, and waited for.

use std::path::Path;
use std::time::{Duration, Instant};

use user_adapter_mongodb::{
    ConnectError, ConnectionEvent, DatabaseError, MongoStorage, ReadPreference, SchemaError,
    StorageObserver, StorageOptions,
};
use user_settings::Settings;

use crate::telemetry::{Dependency, Event, Journal};
use crate::{ServiceError, build};

/// Between two attempts to reach what the service needs to begin.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// How long a command waits for the database.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A storage by the settings. It may not answer yet.
///
/// # Errors
/// The connection string cannot be read or used, or its hosts could not be looked up for as long as `patience`.
pub(crate) async fn connect(
    settings: &Settings,
    patience: Duration,
    journal: &Journal,
) -> Result<MongoStorage, ServiceError> {
    let mongodb = &settings.mongodb;
    let uri = read_secret(&mongodb.uri_file)?;
    let options = StorageOptions {
        database: mongodb.database.clone(),
        max_pool_size: mongodb.max_pool_size,
        min_pool_size: mongodb.min_pool_size,
        read_preference: match mongodb.read_preference {
            user_settings::ReadPreference::Primary => ReadPreference::Primary,
            user_settings::ReadPreference::PrimaryPreferred => ReadPreference::PrimaryPreferred,
            user_settings::ReadPreference::SecondaryPreferred => ReadPreference::SecondaryPreferred,
            user_settings::ReadPreference::Nearest => ReadPreference::Nearest,
        },
        retention: settings.outbox.retention,
        app_name: build::NAME.to_owned(),
    };
    let end = Instant::now().checked_add(patience);
    loop {
        let observer = Observer(journal.clone());
        match MongoStorage::connect_observed(&uri, options.clone(), observer).await {
            Err(error @ ConnectError::Lookup) if end.is_none_or(|end| Instant::now() < end) => {
                journal.tell(Event::Waiting(Dependency::Database, &error, RETRY));
                tokio::time::sleep(RETRY).await;
            }
            storage => return Ok(storage?),
        }
    }
}

/// Returns when the database answers and its schema suits this version.
///
/// # Errors
/// It does not suit. An outage is waited out.
pub(crate) async fn wait_for_schema(
    storage: &MongoStorage,
    journal: &Journal,
) -> Result<(), ServiceError> {
    loop {
        match storage.migrations().check().await {
            Ok(()) => {
                journal.heard(Dependency::Database, Ok(()));
                return Ok(());
            }
            Err(SchemaError::Database(error)) => {
                journal.tell(Event::Waiting(Dependency::Database, &error, RETRY));
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(ServiceError::Schema(error)),
        }
    }
}

/// Returns when the database answers.
///
/// # Errors
/// It did not for [`PATIENCE`]; why not at last.
pub(crate) async fn wait_for_answer(
    storage: &MongoStorage,
    journal: &Journal,
) -> Result<(), DatabaseError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match storage.ping().await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= end => return Err(error),
            Err(error) => {
                journal.tell(Event::Waiting(Dependency::Database, &error, RETRY));
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Hears how the connections are.
#[derive(Debug)]
struct Observer(Journal);

impl StorageObserver for Observer {
    fn connection(&self, event: ConnectionEvent) {
        self.0.pool().saw(event);
    }

    fn writable(&self, is_writable: bool) {
        let state = is_writable.then_some(()).ok_or("no server takes writes");
        self.0.heard(Dependency::Database, state);
    }
}

/// The text of a file with a secret in it, without the line break that editors leave.
fn read_secret(path: &Path) -> Result<String, ServiceError> {
    let text = std::fs::read_to_string(path).map_err(|source| ServiceError::Secret {
        path: path.to_owned(),
        source,
    })?;
    Ok(text.trim_end().to_owned())
}
