use std::collections::BTreeMap;

use serde_json::Value;

/// Kinds of children, in the order in which they are written: what pods need comes before the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildKind {
    /// `v1/ServiceAccount`
    ServiceAccount,
    /// `v1/ConfigMap`
    ConfigMap,
    /// `v1/Service`
    Service,
    /// `policy/v1/PodDisruptionBudget`
    PodDisruptionBudget,
    /// `apps/v1/Deployment`
    Deployment,
}

impl ChildKind {
    /// Every kind, in write order.
    pub const ALL: [Self; 5] = [
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::Deployment,
    ];

    /// The `kind` as the API writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Deployment => "Deployment",
        }
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

/// The cluster as dereferenced for one resource: live objects that carry a name or the labels of a child.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Live objects by kind and name.
    pub live: BTreeMap<(ChildKind, String), Value>,
}

impl World {
    /// The live object of this kind and name.
    pub fn get(&self, kind: ChildKind, name: &str) -> Option<&Value> {
        self.live.get(&(kind, name.to_owned()))
    }
}
