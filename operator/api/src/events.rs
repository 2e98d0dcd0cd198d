#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use kube_core::Duration;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{SecretReference, schema};

/// Where events are published. Exactly one field is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.stdout) != has(self.kafka)")
        .message("exactly one publisher must be named: stdout or kafka")
)]
#[serde(rename_all = "camelCase")]
pub struct EventsSpec {
    /// One JSON line per event on the pod's standard output: envelope and ids, no personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StdoutEvents>,

    /// Records in Kafka, one topic for each type of event, which the operator creates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaEvents>,
}

/// The standard output publisher has no settings.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct StdoutEvents {}

/// A Kafka cluster. Pods and operator both connect to it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.securityProtocol != 'SASL_SSL' || has(self.credentials)")
        .message("credentials must be named with SASL_SSL").field_path(".credentials"),
    validation = Rule::new("self.securityProtocol != 'PLAINTEXT' || !has(self.credentials)")
        .message("credentials are of no use with PLAINTEXT: set securityProtocol").field_path(".credentials")
)]
#[serde(rename_all = "camelCase")]
pub struct KafkaEvents {
    /// Brokers to begin with, 1 to 16, each `host:port` with at most 127 characters. The operator
    /// connects from its own namespace: write names that resolve in all of them, such as
    /// `kafka-0.kafka.team-a.svc:9092`.
    #[schemars(schema_with = "schema::bootstrap_servers")]
    pub bootstrap_servers: Vec<String>,

    /// How the connection to the brokers is protected (Kafka's `security.protocol`). `PLAINTEXT`: not
    /// at all. `SSL`: by TLS. `SASL_SSL`: by TLS, with a name and a password.
    #[serde(default)]
    pub security_protocol: SecurityProtocol,

    /// How pods and operator say who they are, with `SASL_SSL` (Kafka's `sasl.mechanism`).
    /// `SCRAM-SHA-512`, `SCRAM-SHA-256`: by a proof that they know the password. `PLAIN`: by the
    /// password itself.
    #[serde(default)]
    pub sasl_mechanism: SaslMechanism,

    /// Secret with the keys `username` and `password` for `SASL_SSL`, and for both protocols,
    /// where needed, `ca.crt` (trusted instead of public authorities), `tls.crt` and `tls.key` (the
    /// client's certificate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretReference>,

    /// What the name of each topic begins with: at most 200 letters, digits, '.', '_' or '-'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200), regex(pattern = r"^[A-Za-z0-9._-]*$"))]
    pub topic_prefix: Option<String>,

    /// Registry at which the schemas of the events are registered before the pods start. Absent:
    /// values are bare protobuf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_registry: Option<SchemaRegistry>,

    /// How the topics are made.
    #[serde(default)]
    pub topics: TopicsSpec,
}

/// How the connection to the brokers is protected.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
#[allow(missing_docs, reason = "the protocols are Kafka's")]
pub enum SecurityProtocol {
    #[default]
    #[serde(rename = "PLAINTEXT")]
    Plaintext,
    #[serde(rename = "SSL")]
    Ssl,
    #[serde(rename = "SASL_SSL")]
    SaslSsl,
}

/// How pods and operator say who they are.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
#[allow(missing_docs, reason = "the mechanisms are Kafka's")]
pub enum SaslMechanism {
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "PLAIN")]
    Plain,
}

/// A schema registry with Confluent's API.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SchemaRegistry {
    /// Base address, http:// or https://, without credentials, such as
    /// `http://registry.team-a.svc:8080/apis/ccompat/v7`.
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^https?://[^@\s]+$"))]
    pub url: String,

    /// Secret with the keys `username` and `password`, `ca.crt`, or both, as far as the registry
    /// asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretReference>,

    /// Where a record carries the identifier of its schema. `Prefix`: before the value, as every
    /// consumer of Confluent's format reads it. `Header`: in the header `__value_schema_id`, and the
    /// value is bare protobuf; for consumers that know it, of Confluent Platform 8.0 or newer.
    #[serde(default)]
    pub schema_id: SchemaId,
}

/// Where a record carries the identifier of its schema.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum SchemaId {
    /// Before the value.
    #[default]
    Prefix,
    /// In a header.
    Header,
}

/// How the topics are made. Counts and times can be changed later; see each field.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.minInSyncReplicas <= self.replicationFactor")
        .message("minInSyncReplicas must not exceed replicationFactor").field_path(".minInSyncReplicas")
)]
#[serde(rename_all = "camelCase")]
pub struct TopicsSpec {
    /// Partitions of each topic, 1 to 1000; 6 to 12 suit most. They can only grow, and only with
    /// `growPartitions`; fewer than `status.partitions` are refused. Topics for dead letters have one.
    #[serde(default = "defaults::partitions")]
    #[schemars(range(min = 1, max = 1000))]
    pub partitions: i32,

    /// Copies of each partition, 1 to 32, and at most the number of brokers. Counts when a topic is
    /// created; the operator does not move replicas of one that exists.
    #[serde(default = "defaults::replication_factor")]
    #[schemars(range(min = 1, max = 32))]
    pub replication_factor: i32,

    /// Copies that must have a record before it is acknowledged, 1 to `replicationFactor` (Kafka's
    /// `min.insync.replicas`).
    #[serde(default = "defaults::min_in_sync_replicas")]
    #[schemars(range(min = 1, max = 32))]
    pub min_in_sync_replicas: i32,

    /// How long records are kept, 1m to 87600h (Kafka's `retention.ms`). Dead letters are kept for
    /// 30 days at least.
    #[serde(default = "defaults::retention", serialize_with = "schema::in_hours")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('87600h')")
        .message("retention must be between 1m and 87600h"))]
    pub retention: Duration,

    /// What becomes of the topics when the resource is deleted, save for those in `overrides`.
    /// `Retain`: they stay, with their records. `Delete`: those that this resource created, and no
    /// others, are deleted with it.
    #[serde(default)]
    pub reclaim_policy: ReclaimPolicy,

    /// Topics for which something else is to hold than for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub overrides: Vec<TopicOverride>,

    /// Whether a larger number of `partitions` is applied to topics that exist. `Never`: it is
    /// reported only. `RemapKeys`: it is applied, in the knowledge that events of one user may then
    /// lie in two partitions, so that their order across the change is lost.
    #[serde(default)]
    pub grow_partitions: GrowPartitions,
}

impl Default for TopicsSpec {
    fn default() -> Self {
        Self {
            partitions: defaults::partitions(),
            replication_factor: defaults::replication_factor(),
            min_in_sync_replicas: defaults::min_in_sync_replicas(),
            retention: defaults::retention(),
            reclaim_policy: ReclaimPolicy::default(),
            overrides: Vec::new(),
            grow_partitions: GrowPartitions::default(),
        }
    }
}

/// What holds for one topic.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TopicOverride {
    /// Which topic, without `topicPrefix`: `user.created`, `user.updated` or `user.deleted`, or the
    /// one for dead letters of one of these, `user.created.dlq`, `user.updated.dlq` or
    /// `user.deleted.dlq`.
    pub name: TopicName,

    /// What becomes of it when the resource is deleted. `Retain`: it stays, with its records.
    /// `Delete`: if this resource created it, it is deleted with it.
    pub reclaim_policy: ReclaimPolicy,
}

/// A topic, by its name without prefix.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(inline)]
#[allow(missing_docs, reason = "the names say it")]
pub enum TopicName {
    #[serde(rename = "user.created")]
    Created,
    #[serde(rename = "user.created.dlq")]
    CreatedDeadLetters,
    #[serde(rename = "user.updated")]
    Updated,
    #[serde(rename = "user.updated.dlq")]
    UpdatedDeadLetters,
    #[serde(rename = "user.deleted")]
    Deleted,
    #[serde(rename = "user.deleted.dlq")]
    DeletedDeadLetters,
}

impl TopicName {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "user.created",
            Self::CreatedDeadLetters => "user.created.dlq",
            Self::Updated => "user.updated",
            Self::UpdatedDeadLetters => "user.updated.dlq",
            Self::Deleted => "user.deleted",
            Self::DeletedDeadLetters => "user.deleted.dlq",
        }
    }
}

/// What becomes of topics when the resource is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum ReclaimPolicy {
    /// They stay.
    #[default]
    Retain,
    /// Those that the resource created are deleted.
    Delete,
}

/// Whether partitions may be added to topics that exist.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum GrowPartitions {
    /// They may not.
    #[default]
    Never,
    /// They may: that keys move to other partitions is accepted.
    RemapKeys,
}

mod defaults {
    use std::time::Duration;

    pub(super) const fn partitions() -> i32 {
        6
    }

    pub(super) const fn replication_factor() -> i32 {
        3
    }

    pub(super) const fn min_in_sync_replicas() -> i32 {
        2
    }

    pub(super) fn retention() -> kube_core::Duration {
        Duration::from_secs(168 * 60 * 60).into()
    }
}
