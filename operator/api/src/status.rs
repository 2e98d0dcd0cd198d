#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator last saw and did.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct UserServiceStatus {
    /// `metadata.generation` of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Conditions by the Kubernetes API conventions, understood by `kubectl wait` and kstatus:
    /// `Ready`, `StorageDurable`, with Kafka `TopicsReady`, and, only while they are true,
    /// `Paused`, `Reconciling` and `Stalled`. The runbook, docs/runbook.md, has a section for each
    /// reason.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Version that `spec.version` asks for, or that the resource was pinned to at creation. It is
    /// the tag of the image unless `spec.image` is set. While the pods are left as they are, it is
    /// the one that was last in force, if any was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,

    /// Image that the pods run or are being moved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub image: Option<String>,

    /// Number of the revision that the pods run or are being moved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub revision: Option<i64>,

    /// Version of the operator that made this revision. A newer operator leaves it as it is unless
    /// `spec.upgradePolicy` says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub rendered_by: Option<String>,

    /// Pods that exist.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub replicas: i32,

    /// Pods that take calls.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub available_replicas: i32,

    /// Label selector of the pods, in its text form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,

    /// In-cluster address of the gRPC API, host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub endpoint: Option<String>,

    /// Partitions that each topic of events has at least. `spec.events.kafka.topics.partitions` is
    /// not lowered below it. Absent: not known, such as while Kafka cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub partitions: Option<i32>,

    /// Topics that this resource created itself, of which the last 64 are kept. Those of them that
    /// `reclaimPolicy: Delete` holds for, and no others, are deleted with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub topics: Vec<CreatedTopic>,
}

/// A topic that the resource created itself.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CreatedTopic {
    /// Name of the topic.
    #[schemars(length(max = 249))]
    pub name: String,
    /// Identifier that Kafka gave it: a topic of the same name with another one is not ours.
    #[schemars(length(max = 64))]
    pub id: String,
}

/// Held while topics are to be deleted with the resource.
pub const TOPICS_FINALIZER: &str = "usersvc.dev/topics";

/// Annotation that, set to `true`, lets a resource go without its topics being deleted.
pub const SKIP_TOPIC_DELETION: &str = "usersvc.dev/skip-topic-deletion";

/// Annotation that pauses a resource without a change of its spec: `true`, or when it ends, such as
/// `2026-11-26T18:00:00Z`. `false` and nothing do not pause.
pub const PAUSED_ANNOTATION: &str = "usersvc.dev/paused";

/// Types of the conditions in a status, and their reasons.
pub mod condition {
    /// Everything in the spec is rolled out and all pods take calls.
    pub const READY: &str = "Ready";
    /// The operator or the cluster is still working towards the spec. Present only while true.
    pub const RECONCILING: &str = "Reconciling";
    /// No progress without a change by the user. Present only while true.
    pub const STALLED: &str = "Stalled";
    /// Whether users outlive the pod that stored them.
    pub const STORAGE_DURABLE: &str = "StorageDurable";

    /// Whether the topics in Kafka are as described. Present only where events go to Kafka.
    pub const TOPICS_READY: &str = "TopicsReady";

    /// Nothing but the status is written. Present only while true.
    pub const PAUSED: &str = "Paused";

    /// Characters of a message at most, as the API conventions have it.
    pub const MAX_MESSAGE: usize = 32_768;

    /// All of the above. Conditions of other types are somebody else's.
    pub const OURS: [&str; 6] = [
        READY,
        RECONCILING,
        STALLED,
        STORAGE_DURABLE,
        TOPICS_READY,
        PAUSED,
    ];

    pub use crate::reason;
}
