use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::OwnerReference};
use serde_json::Value;

use crate::{secrets::SecretKeys, topics::SeenTopics};

/// Kinds of children, in the order in which they are written: what pods need comes before the pods, and
/// what they can do without, for the moment, after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildKind {
    /// `v1/ServiceAccount`
    ServiceAccount,
    /// `v1/ConfigMap`
    ConfigMap,
    /// `apps/v1/ControllerRevision`
    ControllerRevision,
    /// `v1/Service`
    Service,
    /// `networking.k8s.io/v1/NetworkPolicy`
    NetworkPolicy,
    /// `cert-manager.io/v1/Certificate`
    Certificate,
    /// `batch/v1/Job`
    Job,
    /// `apps/v1/Deployment`
    Deployment,
    /// `autoscaling/v2/HorizontalPodAutoscaler`
    HorizontalPodAutoscaler,
    /// `policy/v1/PodDisruptionBudget`
    PodDisruptionBudget,
}

impl ChildKind {
    /// Every kind, in write order.
    pub const ALL: [Self; 10] = [
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::ControllerRevision,
        Self::Service,
        Self::NetworkPolicy,
        Self::Certificate,
        Self::Job,
        Self::Deployment,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
    ];

    /// The `kind` as the API writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::ConfigMap => "ConfigMap",
            Self::ControllerRevision => "ControllerRevision",
            Self::Service => "Service",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Certificate => "Certificate",
            Self::Job => "Job",
            Self::Deployment => "Deployment",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
        }
    }

    /// Whether a cluster may not know it: its definition comes with another operator.
    pub const fn is_foreign(self) -> bool {
        matches!(self, Self::Certificate)
    }
}

/// A child as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its kind.
    pub kind: ChildKind,
    /// Its `metadata.name`.
    pub name: String,
    /// The whole object, with every field that the operator owns and no other.
    pub object: Value,
}

/// What was read for one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Live objects that carry a name or the labels of a child, by kind and name. They may have no
    /// more than [`condense`](crate::children::condense) leaves.
    pub live: BTreeMap<(ChildKind, String), Value>,
    /// Kinds of children that were written since they were read; `live` has what came of that.
    pub written: BTreeSet<ChildKind>,
    /// Kinds that the cluster does not know.
    pub unknown: BTreeSet<ChildKind>,
    /// Pods of the resource, looked at only while there is something to learn from them.
    pub pods: Vec<Pod>,
    /// Why volumes of pods cannot be mounted, by the UID of the pod, in the kubelet's words.
    pub failed_mounts: BTreeMap<String, String>,
    /// Why no pod of a preparation can be made, in the API server's words.
    pub refused_job: Option<String>,
    /// Those of the Secrets that the resource refers to that exist, by name.
    pub secrets: BTreeMap<String, SecretKeys>,
    /// Those of them that cert-manager wrote, each with the name of the Certificate.
    pub issued: BTreeMap<String, String>,
    /// The topics.
    pub topics: SeenTopics,
    /// Topics that an older resource claims too, each with its namespace and name.
    pub claims: BTreeMap<String, String>,
    /// Topics that another resource describes, each with its namespace and name.
    pub in_use: BTreeMap<String, String>,
    /// Whether the namespace is being deleted, looked at only where a resource cannot go yet.
    pub is_terminating: bool,
}

impl World {
    /// The live object of this kind and name.
    pub fn get(&self, kind: ChildKind, name: &str) -> Option<&Value> {
        self.live.get(&(kind, name.to_owned()))
    }

    /// The live object of this kind and name, if it is that of `us`.
    pub(crate) fn own(
        &self,
        kind: ChildKind,
        name: &str,
        us: Option<&OwnerReference>,
    ) -> Option<&Value> {
        self.get(kind, name)
            .filter(|live| us.is_some_and(|us| owner_of(live, us) == Owner::Us))
    }
}

/// What lies at the end of a path. Unlike [`Value::pointer`] it copies nothing of the path.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter()
        .try_fold(object, |inner, field| inner.get(field))
}

/// The condition of this type and status of a live object.
pub(crate) fn condition_of<'a>(live: &'a Value, type_: &str, status: &str) -> Option<&'a Value> {
    let conditions = at(live, &["status", "conditions"])?.as_array()?;
    conditions.iter().find(|condition| {
        let has =
            |field: &str, value: &str| condition.get(field).and_then(Value::as_str) == Some(value);
        has("type", type_) && has("status", status)
    })
}

/// Whose a live object is, as seen from one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The resource's own.
    Us,
    /// That of a deleted resource of the same name; the garbage collector is on its way.
    Predecessor,
    /// Somebody else's.
    Stranger,
}

/// Whose `live` is, by its owner references.
pub(crate) fn owner_of(live: &Value, us: &OwnerReference) -> Owner {
    let owners = at(live, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    let has = |owner: &Value, field: &str, value: &str| {
        owner.get(field).and_then(Value::as_str) == Some(value)
    };
    let mut whose = Owner::Stranger;
    for owner in owners.into_iter().flatten() {
        if has(owner, "uid", &us.uid) {
            return Owner::Us;
        }
        if has(owner, "apiVersion", &us.api_version)
            && has(owner, "kind", &us.kind)
            && has(owner, "name", &us.name)
        {
            whose = Owner::Predecessor;
        }
    }
    whose
}
