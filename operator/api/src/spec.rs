#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use kube_core::Duration;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AutoscalingSpec, DisruptionSpec, EventsSpec, NetworkSpec, PauseSpec, PodSpec, RolloutSpec,
    StorageSpec, TelemetrySpec, TlsSpec, UserServiceStatus, schema,
};

/// Of topics that are there and go on being used. What was raised and is not yet in force may be
/// lowered again, and so may everything for other topics. No other change is refused: a wrong
/// database or prefix has to be put right, and the way back from a database that cannot be had is
/// open.
const NO_PARTITION_IS_TAKEN_AWAY: &str = "\
    !has(oldSelf.status) || !has(oldSelf.status.partitions) \
    || !has(self.spec.events) || !has(self.spec.events.kafka) \
    || !has(oldSelf.spec.events) || !has(oldSelf.spec.events.kafka) \
    || self.spec.events.kafka.bootstrapServers != oldSelf.spec.events.kafka.bootstrapServers \
    || (has(self.spec.events.kafka.topicPrefix) ? self.spec.events.kafka.topicPrefix : '') \
    != (has(oldSelf.spec.events.kafka.topicPrefix) ? oldSelf.spec.events.kafka.topicPrefix : '') \
    || self.spec.events.kafka.topics.partitions >= oldSelf.spec.events.kafka.topics.partitions \
    || self.spec.events.kafka.topics.partitions >= oldSelf.status.partitions";

/// What the user service shall look like. Every field has a default: `spec: {}` runs.
// The category holds every kind of this group. It is not `all`: `kubectl delete all --all` means pods
// and Services to those who type it, not what makes them, and never the topics that may go with it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "usersvc.dev",
    version = "v1alpha1",
    kind = "UserService",
    plural = "userservices",
    shortname = "usvc",
    category = "usersvc",
    namespaced,
    derive = "PartialEq",
    status = "UserServiceStatus",
    doc = "A user service: a gRPC API (user.v1) with its pods, addresses and settings, kept as described.",
    crates(kube = "::kube_derive", kube_core = "::kube_core"),
    attr = "x_kube(crates(kube_core = \"::kube_core\"))",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    validation = Rule::new("self.metadata.name.size() <= 40")
        .message("metadata.name must have at most 40 characters: children are named after it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must start with a letter and hold only lower-case letters, digits and '-', no dots: it becomes a DNS label"),
    validation = Rule::new(NO_PARTITION_IS_TAKEN_AWAY)
        .message("partitions must not be less than the topics have, which status.partitions says: Kafka takes none away")
        .field_path(".spec.events.kafka.topics.partitions"),
    selectable = ".spec.version",
    selectable = ".spec.upgradePolicy",
    selectable = ".status.version",
    selectable = ".status.image",
    selectable = ".status.renderedBy",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether everything in the spec is rolled out and all pods take calls"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why it is ready or not"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".spec.replicas",
        description = "Pods that there shall be; while Most is set, an autoscaler decides instead"),
    printcolumn(name = "Available", type_ = "integer", json_path = ".status.availableReplicas",
        description = "Pods that take calls"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version",
        description = "Version in force, or that was pinned at creation"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp",
        description = "Time since the resource was made"),
    printcolumn(name = "Most", type_ = "integer", json_path = ".spec.autoscaling.max", priority = 1,
        description = "Most pods, where an autoscaler decides"),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".status.revision", priority = 1,
        description = "Revision that the pods run or are being moved to"),
    printcolumn(name = "Operator", type_ = "string", json_path = ".status.renderedBy", priority = 1,
        description = "Version of the operator that made the revision"),
    printcolumn(name = "Storage", type_ = "string", json_path = ".status.conditions[?(@.type=='StorageDurable')].reason", priority = 1,
        description = "Where users are stored"),
    printcolumn(name = "Topics", type_ = "string", json_path = ".status.conditions[?(@.type=='TopicsReady')].reason", priority = 1,
        description = "What is known of the topics, where events go to Kafka"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint", priority = 1,
        description = "In-cluster address of the gRPC API"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1,
        description = "What there is to say about the reason")
)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct UserServiceSpec {
    /// Version of the user service, which is the tag of its image. Absent: pinned at creation to
    /// the version that ships with the operator, and moved only by setting this field or by
    /// `upgradePolicy: Automatic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    )]
    pub version: Option<String>,

    /// Full image reference, by tag or digest. Overrides `version` and the operator's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^[a-z0-9][a-zA-Z0-9._:/@-]*$")
    )]
    pub image: Option<String>,

    /// Whether a newer operator may replace pods. `Manual`: never by itself; they go on as they are
    /// until the spec or a Secret changes. `Automatic`: it moves them to what it would make of the
    /// spec today, and to the version that ships with it unless `version` or `image` is set, one
    /// resource of the cluster after the other.
    #[serde(default)]
    pub upgrade_policy: UpgradePolicy,

    /// Number of pods, 0 to 100. Ignored while `autoscaling` is set.
    #[serde(default = "defaults::replicas")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i32,

    /// Lets the load decide on the number of pods. Absent: `replicas` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingSpec>,

    /// Where users are stored. Absent: in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageSpec>,

    /// Where events such as `UserCreated` are published. Absent: on standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsSpec>,

    /// Limits and timeouts of the gRPC server.
    #[serde(default)]
    pub server: ServerSpec,

    /// TLS on the gRPC port. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,

    /// Whom the pods may speak to. Absent: everybody. `network: {}` leaves the pods of the resource's
    /// own namespace as clients, and what the rest of the spec names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSpec>,

    /// Logs and traces of the service.
    #[serde(default)]
    pub telemetry: TelemetrySpec,

    /// What each pod is given, and where it may run.
    #[serde(default)]
    pub pod: PodSpec,

    /// How pods are replaced when what they run changes.
    #[serde(default)]
    pub rollout: RolloutSpec,

    /// How many pods an eviction may take away at a time.
    #[serde(default)]
    pub disruption: DisruptionSpec,

    /// While this is set, nothing of the resource is written but its status. `pause: {}` pauses
    /// until it is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseSpec>,
}

impl Default for UserServiceSpec {
    fn default() -> Self {
        Self {
            version: None,
            image: None,
            upgrade_policy: UpgradePolicy::default(),
            replicas: defaults::replicas(),
            autoscaling: None,
            storage: None,
            events: None,
            server: ServerSpec::default(),
            tls: None,
            network: None,
            telemetry: TelemetrySpec::default(),
            pod: PodSpec::default(),
            rollout: RolloutSpec::default(),
            disruption: DisruptionSpec::default(),
            pause: None,
        }
    }
}

/// Whether a newer operator may replace pods.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum UpgradePolicy {
    /// It waits for a change of the spec.
    #[default]
    Manual,
    /// It does so by itself.
    Automatic,
}

/// Limits and timeouts of the gRPC server. Durations are written as Kubernetes writes them, such
/// as `500ms`, `5s` or `1m30s`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct ServerSpec {
    /// Longest time a call may take, 100ms to 1m. A client's shorter deadline wins; a call that
    /// exceeds it is answered `DEADLINE_EXCEEDED`.
    #[serde(default = "defaults::request_timeout")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('100ms') && duration(self) <= duration('1m')")
        .message("requestTimeout must be between 100ms and 1m"))]
    pub request_timeout: Duration,

    /// Calls in flight on one connection, 1 to 65535 (HTTP/2 `SETTINGS_MAX_CONCURRENT_STREAMS`).
    #[serde(default = "defaults::max_concurrent_streams")]
    #[schemars(range(min = 1, max = 65535))]
    pub max_concurrent_streams: i32,

    /// Calls in flight in each pod, 1 to 65535; further ones are refused at once with
    /// `RESOURCE_EXHAUSTED`.
    #[serde(default = "defaults::max_concurrent_calls")]
    #[schemars(range(min = 1, max = 65535))]
    pub max_concurrent_calls: i32,

    /// How long a connection lives, 1m to 24h, give or take a tenth: then its client makes a new one,
    /// and finds pods that were added meanwhile. Calls in flight have `requestTimeout` or
    /// `drainTimeout` to finish, whichever is longer.
    #[serde(default = "defaults::max_connection_age")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('24h')")
        .message("maxConnectionAge must be between 1m and 24h"))]
    pub max_connection_age: Duration,

    /// How long a stopping pod lets calls in flight finish before it cuts them, 1s to 10m. The
    /// pod's termination grace period is computed from it.
    #[serde(default = "defaults::drain_timeout")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('10m')")
        .message("drainTimeout must be between 1s and 10m"))]
    pub drain_timeout: Duration,

    /// Whether clients may ask for the descriptors of the API, as grpcurl does (gRPC server
    /// reflection). `Enabled`: they may. `Disabled`: they may not.
    #[serde(default)]
    pub reflection: Reflection,
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            request_timeout: defaults::request_timeout(),
            max_concurrent_streams: defaults::max_concurrent_streams(),
            max_concurrent_calls: defaults::max_concurrent_calls(),
            max_connection_age: defaults::max_connection_age(),
            drain_timeout: defaults::drain_timeout(),
            reflection: Reflection::default(),
        }
    }
}

/// Whether clients may ask for the descriptors of the API.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum Reflection {
    /// They may.
    #[default]
    Enabled,
    /// They may not.
    Disabled,
}

mod defaults {
    use std::time::Duration;

    pub(super) const fn replicas() -> i32 {
        2
    }

    pub(super) fn request_timeout() -> kube_core::Duration {
        Duration::from_secs(5).into()
    }

    pub(super) const fn max_concurrent_streams() -> i32 {
        256
    }

    pub(super) const fn max_concurrent_calls() -> i32 {
        1024
    }

    pub(super) fn max_connection_age() -> kube_core::Duration {
        Duration::from_mins(30).into()
    }

    pub(super) fn drain_timeout() -> kube_core::Duration {
        Duration::from_secs(20).into()
    }
}
