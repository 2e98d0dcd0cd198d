//! How the driver is set up.

use std::time::Duration;

use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference as DriverPreference,
    ReadPreferenceOptions, SelectionCriteria, WriteConcern,
};

use tokio::time::timeout;

use crate::ConnectError;

/// How long to look for a server that can do it. Below the usual deadline of a call, so that the call can say what was
/// missing.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the name servers may take for a `mongodb+srv://` string.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections made at a time; the driver's default of 2 makes a burst on a cold pool wait.
const MAX_CONNECTING: u32 = 8;
const MAX_IDLE_TIME: Duration = Duration::from_mins(5);
/// How long a write waits for its majority before it is reported as not acknowledged.
const WRITE_CONCERN_TIMEOUT: Duration = Duration::from_secs(10);

/// How far a member may be behind that answers reads which may be stale: the least that the driver takes.
const MAX_STALENESS: Duration = Duration::from_secs(90);
/// How rarely servers may be asked how far behind they are, for that bound: with 10 seconds between two writes of an idle
/// primary it is kept to.
const RAREST_HEARTBEAT: Duration = MAX_STALENESS.saturating_sub(Duration::from_secs(10));

/// Connections to a server beside its pool: one hears how it is, one measures how long it takes to answer.
const MONITORS: usize = 2;
/// Members of a replica set, where the connection string names fewer.
const MEMBERS: usize = 3;

/// What a storage is told beside where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOptions {
    /// Name of the database that holds all collections.
    pub database: String,
    /// Most connections, and most calls about users that are under way at a time.
    pub max_pool_size: u32,
    /// Connections kept even when idle.
    pub min_pool_size: u32,
    /// Which members answer reads that may be stale: listings of users, and how much waits in the outbox. All others are
    /// answered by the primary.
    pub read_preference: ReadPreference,
    /// How long a published event is kept; zero removes it when it is acknowledged.
    pub retention: Duration,
    /// How this client is called in the server's logs.
    pub app_name: String,
}

/// Which members of the replica set answer reads that may be stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadPreference {
    /// The primary alone.
    #[default]
    Primary,
    /// The primary, or a secondary while there is none.
    PrimaryPreferred,
    /// A secondary, or the primary while there is none.
    SecondaryPreferred,
    /// Whichever answers fastest.
    Nearest,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            database: "users".to_owned(),
            max_pool_size: 64,
            min_pool_size: 8,
            read_preference: ReadPreference::default(),
            retention: Duration::from_hours(1),
            app_name: "user-service".to_owned(),
        }
    }
}

impl From<ReadPreference> for SelectionCriteria {
    /// With a bound on how far behind a member may be.
    fn from(preference: ReadPreference) -> Self {
        let options = ReadPreferenceOptions::builder()
            .max_staleness(MAX_STALENESS)
            .build();
        let options = Some(options);
        Self::ReadPreference(match preference {
            ReadPreference::Primary => DriverPreference::Primary,
            ReadPreference::PrimaryPreferred => DriverPreference::PrimaryPreferred { options },
            ReadPreference::SecondaryPreferred => DriverPreference::SecondaryPreferred { options },
            ReadPreference::Nearest => DriverPreference::Nearest { options },
        })
    }
}

/// A majority, each with it in its journal.
pub(crate) fn majority() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .w_timeout(WRITE_CONCERN_TIMEOUT)
        .build()
}

/// What the connection string says, save for what the promises of the storage rest on.
pub(crate) async fn client_options(
    uri: &str,
    options: &StorageOptions,
) -> Result<ClientOptions, ConnectError> {
    if !uri.starts_with("mongodb://") && !uri.starts_with("mongodb+srv://") {
        return Err(ConnectError::Scheme);
    }
    let parsed = timeout(LOOKUP_TIMEOUT, async { ClientOptions::parse(uri).await }).await;
    let mut client = parsed
        .map_err(|_| ConnectError::Lookup)?
        .map_err(ConnectError::of)?;
    let is_rare = client.heartbeat_freq > Some(RAREST_HEARTBEAT);
    if is_rare && options.read_preference != ReadPreference::Primary {
        return Err(ConnectError::Heartbeat);
    }
    client.app_name = Some(options.app_name.clone());
    client.max_pool_size = Some(options.max_pool_size);
    client.min_pool_size = Some(options.min_pool_size.min(options.max_pool_size));
    client.max_connecting = Some(MAX_CONNECTING);
    client.max_idle_time = Some(MAX_IDLE_TIME);
    client
        .server_selection_timeout
        .get_or_insert(SERVER_SELECTION_TIMEOUT);
    client.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    client.read_concern = Some(ReadConcern::majority());
    client.write_concern = Some(majority());
    client.selection_criteria = Some(ReadPreference::Primary.into());
    Ok(client)
}

/// Each server that may be read from has a pool of its own, and after a change of the primary the former one's empties by
/// and by.
pub(crate) fn most_connections(client: &ClientOptions, max_pool_size: u32) -> usize {
    let is_alone = client.direct_connection == Some(true) || client.load_balanced == Some(true);
    let named = client.hosts.len();
    let servers = if is_alone { named } else { named.max(MEMBERS) };
    let pool = usize::try_from(max_pool_size).unwrap_or(usize::MAX);
    pool.saturating_add(MONITORS).saturating_mul(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn options_of(
        uri: &str,
        read_preference: ReadPreference,
    ) -> Result<ClientOptions, ConnectError> {
        let options = StorageOptions {
            read_preference,
            ..StorageOptions::default()
        };
        client_options(uri, &options).await
    }

    #[tokio::test]
    async fn a_heartbeat_too_rare_to_tell_who_is_behind_is_refused_where_that_matters() {
        let uri = |millis: u32| format!("mongodb://host/?heartbeatFrequencyMS={millis}");
        for preference in [
            ReadPreference::PrimaryPreferred,
            ReadPreference::SecondaryPreferred,
            ReadPreference::Nearest,
        ] {
            let refused = options_of(&uri(80_001), preference).await.unwrap_err();
            assert_eq!(refused, ConnectError::Heartbeat);
            assert!(refused.to_string().contains("heartbeatFrequencyMS"));
            // As the driver sees it.
            let mut accepted = options_of(&uri(80_000), preference).await.unwrap();
            accepted.selection_criteria = Some(preference.into());
            mongodb::Client::with_options(accepted).unwrap();
        }
        options_of(&uri(80_001), ReadPreference::Primary)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn each_member_has_a_pool_and_three_are_expected() {
        for (uri, most) in [
            ("mongodb://a/", 30),
            ("mongodb://a,b,c/?replicaSet=rs0", 30),
            ("mongodb://a,b,c,d/", 40),
            ("mongodb://a/?directConnection=true", 10),
        ] {
            let client = options_of(uri, ReadPreference::Primary).await.unwrap();
            assert_eq!(most_connections(&client, 8), most, "{uri}");
        }
    }
}
