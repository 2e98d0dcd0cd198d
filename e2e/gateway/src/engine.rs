//! One connection to `PostgreSQL`, and how the engine's functions are called on it.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bson::RawDocumentBuf;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

use crate::failure::{Code, Failure};
use crate::sqlstate;

/// What each connection is set to. A statement waits for a lock as long as `lock_timeout` and is then a write conflict.
/// The engine's unique indexes make writers of one key wait for each other, so that deadlocks are looked for early. The
/// other bounds are for what the gateway itself left behind.
const OPTIONS: &str = "-c search_path=documentdb_core,documentdb_api,public -c lock_timeout=5000 -c deadlock_timeout=50 \
     -c statement_timeout=120000 -c idle_in_transaction_session_timeout=120000 \
     -c client_min_messages=error -c application_name=mongodb-gateway \
     -c documentdb.useFileBasedPersistedCursors=on";
/// A connection that is not there by then will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses where `PostgreSQL` is, and adds what each connection is set to.
pub(crate) fn config(text: &str) -> Result<Config, tokio_postgres::Error> {
    let mut config: Config = text.parse()?;
    config.options(OPTIONS).connect_timeout(CONNECT_TIMEOUT);
    Ok(config)
}

/// A connection. It closes when this is dropped, and what it had begun is rolled back.
pub(crate) struct Engine {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Engine {
    /// Connects.
    pub(crate) async fn connect(config: &Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                let state = error.code().map(|state| state.code().to_owned());
                tracing::debug!(?state, "a connection to the engine broke");
            }
        });
        Ok(Self {
            client,
            statements: Mutex::default(),
        })
    }

    /// Whether it can be used no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs a command of transaction control.
    pub(crate) async fn control(&self, sql: &'static str) -> Result<(), Failure> {
        let ran = self.client.batch_execute(sql).await;
        ran.map_err(|error| sqlstate::failure(&error))
    }

    /// Calls a function that answers one row, and stops it when it takes too long.
    pub(crate) async fn call(
        &self,
        sql: &'static str,
        arguments: &[&(dyn ToSql + Sync)],
        limit: Option<Duration>,
    ) -> Result<Row, Failure> {
        let row = self.row(sql, arguments, limit).await;
        row.map_err(|error| sqlstate::failure(&error))
    }

    async fn row(
        &self,
        sql: &'static str,
        arguments: &[&(dyn ToSql + Sync)],
        limit: Option<Duration>,
    ) -> Result<Row, tokio_postgres::Error> {
        let statement = self.prepared(sql).await?;
        let query = self.client.query_one(&statement, arguments);
        let Some(limit) = limit else {
            return query.await;
        };
        tokio::pin!(query);
        tokio::select! {
            row = &mut query => return row,
            () = tokio::time::sleep(limit) => {}
        }
        // The query itself tells how it ended; when it cannot be cancelled it ends by itself.
        let _ = self.client.cancel_token().cancel_query(NoTls).await;
        query.await
    }

    async fn prepared(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.lock().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.lock().insert(sql, statement.clone());
        Ok(statement)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a value of whichever type: the engine's BSON has an identifier that differs by installation.
struct Bytes<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Bytes<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The document in a column.
pub(crate) fn document(row: &Row, column: usize) -> Result<RawDocumentBuf, Failure> {
    optional_document(row, column)?
        .ok_or_else(|| Failure::new(Code::INTERNAL_ERROR, "the engine answered nothing"))
}

/// The document in a column, if there is one.
pub(crate) fn optional_document(
    row: &Row,
    column: usize,
) -> Result<Option<RawDocumentBuf>, Failure> {
    let strange = || Failure::new(Code::INTERNAL_ERROR, "the engine answered strangely");
    let bytes: Option<Bytes<'_>> = row.try_get(column).map_err(|_| strange())?;
    bytes
        .map(|bytes| RawDocumentBuf::from_bytes(bytes.0.to_vec()).map_err(|_| strange()))
        .transpose()
}
