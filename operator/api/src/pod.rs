#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EnvVar, ExtraVolume, Quantity};

/// What each pod is given, and where it may run. Besides the pods of the service this holds for
/// those that prepare for them, but for `topologySpreadConstraints`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// CPU and memory of the service's container.
    #[serde(default)]
    pub resources: ResourcesSpec,

    /// Further labels of the pods, 32 at most. Those by which the operator finds its pods, and all
    /// below `usersvc.dev/`, are its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('usersvc.dev/') && !(key in ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/managed-by', 'pod-template-hash']))")
        .message("labels must not hold app.kubernetes.io/name, app.kubernetes.io/instance, app.kubernetes.io/managed-by, pod-template-hash or what begins with usersvc.dev/"))]
    #[x_kube(validation = Rule::new("self.all(key, !format.qualifiedName().validate(key).hasValue() && !format.labelValue().validate(self[key]).hasValue())")
        .message("labels must be label keys with label values, such as team: identity"))]
    pub labels: BTreeMap<String, String>,

    /// Further annotations of the pods, 32 at most. All below `usersvc.dev/` are the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('usersvc.dev/') && !format.qualifiedName().validate(key).hasValue())")
        .message("annotations must be qualified names, and not begin with usersvc.dev/"))]
    pub annotations: BTreeMap<String, String>,

    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = Rule::new("self.all(key, !format.qualifiedName().validate(key).hasValue() && !format.labelValue().validate(self[key]).hasValue())")
        .message("nodeSelector must hold label keys with label values, such as kubernetes.io/arch: arm64"))]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that the pods put up with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,

    /// Nodes and pods that the pods like to be near to or far from. Unless it has a
    /// `podAntiAffinity`, pods keep away from zones that have others, where that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// How pods are spread. Absent: over nodes and zones, where that is possible. An empty list:
    /// not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["topologyKey".into()]))]
    pub topology_spread_constraints: Option<Vec<TopologySpread>>,

    /// Name of the pods' `PriorityClass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub priority_class_name: Option<String>,

    /// Secrets with which the images are pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<ImagePullSecret>,

    /// Further environment variables of the service's container. Names that begin with `USERSVC_`
    /// are the operator's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,

    /// Further volumes, each with the folder in the service's container where it is mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, a.mountPath == b.mountPath))")
        .message("no two volumes may have the same mountPath"))]
    pub volumes: Vec<ExtraVolume>,
}

/// How evenly pods are spread over the values of a node's label.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TopologySpread {
    /// Label of nodes whose values are the domains, such as `topology.kubernetes.io/zone`.
    #[schemars(
        length(min = 1, max = 317),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$")
    )]
    pub topology_key: String,

    /// By how many pods one domain may have more than another, 1 to 100.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub max_skew: i32,

    /// What becomes of a pod that cannot be placed so. `ScheduleAnyway`: it is placed as well as
    /// possible. `DoNotSchedule`: it waits.
    #[serde(default)]
    pub when_unsatisfiable: WhenUnsatisfiable,
}

/// What becomes of a pod that cannot be placed as its spread asks.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum WhenUnsatisfiable {
    /// It is placed as well as possible.
    #[default]
    ScheduleAnyway,
    /// It waits.
    DoNotSchedule,
}

/// A Secret with which images are pulled.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ImagePullSecret {
    /// Name of a Secret of type `kubernetes.io/dockerconfigjson` in the namespace of the resource.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub name: String,
}

/// CPU and memory of the service's container.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0")
        .message("requests.cpu must not exceed limits.cpu").field_path(".requests.cpu"),
    validation = Rule::new("quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0")
        .message("requests.memory must not exceed limits.memory").field_path(".requests.memory")
)]
#[serde(rename_all = "camelCase")]
pub struct ResourcesSpec {
    /// What the scheduler reserves for the container.
    #[serde(default)]
    pub requests: ResourceRequests,

    /// What the container may use at most.
    #[serde(default)]
    pub limits: ResourceLimits,
}

/// What the scheduler reserves for the container.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRequests {
    /// CPU in cores, such as `50m` or `1`.
    pub cpu: Quantity,
    /// Memory in bytes, such as `64Mi`.
    pub memory: Quantity,
}

/// What the container may use at most.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceLimits {
    /// CPU in cores, such as `50m` or `1`. The service runs as many worker threads.
    pub cpu: Quantity,
    /// Memory in bytes, such as `128Mi`.
    pub memory: Quantity,
}

impl Default for ResourceRequests {
    fn default() -> Self {
        Self {
            cpu: "50m".into(),
            memory: "64Mi".into(),
        }
    }
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            cpu: "1".into(),
            memory: "128Mi".into(),
        }
    }
}

/// A DNS subdomain (RFC 1123), as names of most objects are.
pub(crate) const DNS_NAME: &str = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

const fn one() -> i32 {
    1
}

fn labels(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    texts(generator, 63)
}

fn annotations(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    texts(generator, 4096)
}

fn texts(_: &mut schemars::SchemaGenerator, longest: u32) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": longest},
    })
}
