#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use std::collections::BTreeMap;

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Whom the pods may speak to: what is not named is denied, in both directions. It takes a network
/// that enforces `NetworkPolicy`. Changes are in force at once, also for the running pods; only ways
/// out are closed no sooner than the pods may follow the rest of the spec. Replies, DNS on port 53
/// and the probes of the pods' own node are always allowed.
///
/// A policy knows no host names and sees the port of the pod behind a Service, not the Service's.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct NetworkSpec {
    /// Who may call the gRPC port, 32 peers at most. Absent: all pods of the resource's own
    /// namespace. An empty list: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub clients: Option<Vec<NetworkPeer>>,

    /// Who may read the admin port, with its metrics, 16 peers at most. Absent: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub monitoring: Vec<NetworkPeer>,

    /// Where the database is. Counts with `storage.mongodb`. Absent: on port 27017, anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongodb: Option<NetworkDestination>,

    /// Where the brokers are. Counts with `events.kafka`. Absent: on the ports of
    /// `bootstrapServers`, anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<NetworkDestination>,

    /// Where the schema registry is. Counts with `events.kafka.schemaRegistry`. Absent: on the port
    /// of its `url`, anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_registry: Option<NetworkDestination>,

    /// Where the collector of traces is. Counts with `telemetry.otlpEndpoint`. Absent: on the port
    /// of that, anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<NetworkDestination>,

    /// What else the pods may reach, such as a proxy or what a sidecar needs, 8 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub egress: Vec<NetworkDestination>,
}

/// What the pods may reach.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct NetworkDestination {
    /// Where it is, 16 peers at most. Absent: anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub peers: Vec<NetworkPeer>,

    /// TCP ports, 1 to 65535, 16 at most. Absent: those that the rest of the spec names; in
    /// `egress` all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::ports")]
    pub ports: Vec<i32>,
}

/// Pods, or a range of addresses.
// `namespace` is a reserved word of CEL, which Kubernetes writes as `__namespace__`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.cidr) != (has(self.__namespace__) || has(self.pods))")
        .message("a peer is either cidr, or namespace and pods, or one of these two")
)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPeer {
    /// Name of a namespace. Absent: the resource's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,

    /// Labels that the pods have, 8 at most. Absent: all pods of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::peer_labels")]
    #[x_kube(validation = Rule::new("self.all(key, !format.qualifiedName().validate(key).hasValue() && !format.labelValue().validate(self[key]).hasValue())")
        .message("pods must be label keys with label values, such as app: web"))]
    pub pods: Option<BTreeMap<String, String>>,

    /// A range of addresses, such as `10.0.0.0/8` or `2001:db8::/32`, by its first address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 43))]
    #[x_kube(validation = Rule::new("isCIDR(self) && cidr(self).masked() == cidr(self)")
        .message("cidr must be a range of addresses by its first address, such as 10.0.0.0/8"))]
    pub cidr: Option<String>,
}
