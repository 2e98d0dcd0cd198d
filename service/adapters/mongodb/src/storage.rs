//! The storage itself: its client, and how it begins and ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use crate::bounded::Bounded;
use crate::documents::Collections;
use crate::observer;
use crate::options::{client_options, most_connections};
use crate::outbox::Told;
use crate::{ConnectError, DatabaseError, Migrations, StorageObserver, StorageOptions};

/// How long the server may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
const WIRE_VERSION_5_0: i32 = 13;
/// How long connections may be made ahead of their use.
const WARM_UP_LIMIT: Duration = Duration::from_secs(10);

/// Users, outbox and request ids in one database; clones share the connections.
#[derive(Clone, Debug)]
pub struct MongoStorage {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) collections: Collections,
    pub(crate) calls: Bounded,
    pub(crate) event_added: Arc<Notify>,
    /// Held by what takes, renews or gives back the relay's lease.
    pub(crate) lease_turn: Arc<AsyncMutex<()>>,
    pub(crate) told: Arc<Told>,
    pub(crate) options: Arc<StorageOptions>,
    most_connections: usize,
}

impl MongoStorage {
    /// A storage on the database that the connection string leads to. It returns before there is a connection and makes
    /// them in the background; [`MongoStorage::ping`] tells whether the database answers.
    ///
    /// # Errors
    /// The connection string cannot be used.
    pub async fn connect(uri: &str, options: StorageOptions) -> Result<Self, ConnectError> {
        Self::connect_observed(uri, options, ()).await
    }

    /// The same, and an observer hears of the connections.
    ///
    /// # Errors
    /// The connection string cannot be used.
    pub async fn connect_observed(
        uri: &str,
        options: StorageOptions,
        observer: impl StorageObserver,
    ) -> Result<Self, ConnectError> {
        let mut client_options = client_options(uri, &options).await?;
        let observer: Arc<dyn StorageObserver> = Arc::new(observer);
        observer::hear(&mut client_options, Arc::clone(&observer));
        let most_connections = most_connections(&client_options, options.max_pool_size);
        let client = Client::with_options(client_options).map_err(ConnectError::of)?;
        let database = client.database(&options.database);
        let storage = Self {
            collections: Collections::of(&database),
            calls: Bounded::new(options.max_pool_size, observer),
            most_connections,
            event_added: Arc::new(Notify::new()),
            lease_turn: Arc::default(),
            told: Arc::default(),
            options: Arc::new(options),
            client,
            database,
        };
        let client = storage.client.clone();
        let warm_up = async move { client.warm_connection_pool().await };
        // Nobody waits for it, at the end neither.
        tokio::spawn(tokio::time::timeout(WARM_UP_LIMIT, warm_up));
        Ok(storage)
    }

    /// Whether the primary answers within 2 seconds, and is a server that this storage can work with.
    ///
    /// # Errors
    /// Why it does not, or is not.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        let database = self.database.clone();
        let ping = async move {
            let hello = database.run_command(doc! { "hello": 1 }).await?;
            suitable(&hello)
        };
        self.calls
            .at_once(Instant::now() + PING_TIMEOUT, ping)
            .await
    }

    /// How many connections there may be at a time, all servers together. The relay's calls take theirs from the same
    /// pools.
    pub const fn most_connections(&self) -> usize {
        self.most_connections
    }

    /// The schema that this storage needs.
    pub fn migrations(&self) -> Migrations {
        Migrations::new(self.clone())
    }

    /// Takes no more calls about users, waits for what is under way, and closes the connections; whether all of it ended
    /// in time. For the end of the process, after the relay.
    pub async fn close(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let ended = self.calls.close(limit).await;
        let left = end.saturating_duration_since(Instant::now());
        let shutdown = self.client.clone().shutdown().immediate(true);
        let _ = tokio::time::timeout(left, async { shutdown.await }).await;
        ended
    }
}

/// Transactions need a member of a replica set or a router, and snapshots outside of them a server of 5.0 or later.
fn suitable(hello: &Document) -> Result<(), DatabaseError> {
    let is_member = hello.contains_key("setName");
    let is_router = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    if !is_member && !is_router {
        return Err(DatabaseError::Unsuitable("it is not part of a replica set"));
    }
    match hello.get_i32("maxWireVersion") {
        Ok(version) if version >= WIRE_VERSION_5_0 => Ok(()),
        _ => Err(DatabaseError::Unsuitable("it is older than version 5.0")),
    }
}

/// A pipeline's value that is not an expression.
pub(crate) fn literal(value: impl Into<Bson>) -> Bson {
    Bson::Document(doc! { "$literal": value.into() })
}

/// So many milliseconds from now on the server's clock, in a pipeline.
pub(crate) fn from_now(duration: Duration) -> Bson {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Bson::Document(doc! { "$add": ["$$NOW", millis] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_transactions_is_not_suitable() {
        let refused = |hello: Document| suitable(&hello).is_err();
        assert!(refused(doc! { "maxWireVersion": 21 }));
        assert!(refused(doc! { "setName": "rs0", "maxWireVersion": 9 }));
        assert!(!refused(doc! { "setName": "rs0", "maxWireVersion": 13 }));
        assert!(!refused(doc! { "msg": "isdbgrid", "maxWireVersion": 21 }));
    }
}
