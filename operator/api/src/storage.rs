#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use kube_core::Duration;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{SecretKeyReference, schema};

/// Where users are stored. Exactly one field is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.memory) != has(self.mongodb)")
        .message("exactly one storage must be named: memory or mongodb")
)]
#[serde(rename_all = "camelCase")]
pub struct StorageSpec {
    /// In the memory of each pod: not shared between pods and lost with the pod. For trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStorage>,

    /// In a MongoDB replica set, shared by all pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongodb: Option<MongodbStorage>,
}

/// In-memory storage has no settings.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStorage {}

/// A MongoDB replica set. Its collections and indexes are made before the pods start.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!has(self.minPoolSize) || self.minPoolSize <= self.maxPoolSize")
        .message("minPoolSize must not exceed maxPoolSize").field_path(".minPoolSize")
)]
#[serde(rename_all = "camelCase")]
pub struct MongodbStorage {
    /// Secret and key that hold the connection string, `mongodb://` or `mongodb+srv://`.
    pub connection: SecretKeyReference,

    /// Database that holds all collections of the service: 1 to 38 letters, digits, '-' or '_'.
    #[serde(default = "defaults::database")]
    #[schemars(length(min = 1, max = 38), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub database: String,

    /// Connections of each pod to the database at most, 1 to 1000. Further calls wait for one
    /// within their deadline.
    #[serde(default = "defaults::max_pool_size")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_pool_size: i32,

    /// Connections that each pod keeps even when idle, 0 to 1000. Absent: 8, or `maxPoolSize` if
    /// that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub min_pool_size: Option<i32>,

    /// Members of the replica set that answer reads which may be stale. `primary`: that one alone.
    /// `primaryPreferred`: a secondary while there is none. `secondaryPreferred`: a secondary, or the
    /// primary while there is none. `nearest`: the one that answers soonest.
    #[serde(default)]
    pub read_preference: ReadPreference,

    /// How long a published event stays in the outbox collection, 0s to 720h. 0s removes it as
    /// soon as the publisher has acknowledged it.
    #[serde(
        default = "defaults::outbox_retention",
        serialize_with = "schema::in_hours"
    )]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('0s') && duration(self) <= duration('720h')")
        .message("outboxRetention must be between 0s and 720h"))]
    pub outbox_retention: Duration,
}

/// Members of the replica set that answer reads which may be stale.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the modes are MongoDB's")]
pub enum ReadPreference {
    #[default]
    Primary,
    PrimaryPreferred,
    SecondaryPreferred,
    Nearest,
}

mod defaults {
    use std::time::Duration;

    pub(super) fn database() -> String {
        "users".to_owned()
    }

    pub(super) const fn max_pool_size() -> i32 {
        64
    }

    pub(super) fn outbox_retention() -> kube_core::Duration {
        Duration::from_secs(60 * 60).into()
    }
}
