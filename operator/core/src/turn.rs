//! Whose turn it is to be moved to what a newer operator makes of its spec: one resource of the cluster after the other,
//! so that what is wrong with it stops at the first.

use kube_core::ResourceExt;
use operator_api::{
    UpgradePolicy, UserService,
    condition::{PAUSED, READY, STALLED},
};

use crate::Release;

/// Whether the pods of a resource are what an older operator made, and it asks for what this one makes.
pub fn is_outdated(resource: &UserService, release: &Release) -> bool {
    resource.spec.upgrade_policy == UpgradePolicy::Automatic
        && rendered_by(resource).is_some_and(|operator| *operator != release.operator)
}

/// The operator that made what the pods are; none if there were no pods yet.
fn rendered_by(resource: &UserService) -> Option<&String> {
    resource.status.as_ref()?.rendered_by.as_ref()
}

/// Whether an outdated resource is to be moved now: nothing that was moved before is still on its way, and it is the
/// first by namespace and name of those that can be.
pub fn is_its_turn<'a>(
    resource: &UserService,
    all: impl Iterator<Item = &'a UserService> + Clone,
    release: &Release,
) -> bool {
    let name = |of: &UserService| (of.namespace(), of.name_any());
    let others = all.filter(|other| {
        other.metadata.deletion_timestamp.is_none() && name(other) != name(resource)
    });
    let is_on_its_way = |other: &UserService| {
        let automatic = other.spec.upgrade_policy == UpgradePolicy::Automatic;
        automatic && rendered_by(other) == Some(&release.operator) && !has(other, READY)
    };
    let is_ahead = |other: &UserService| {
        is_outdated(other, release)
            && name(other) < name(resource)
            && !has(other, PAUSED)
            && !has(other, STALLED)
    };
    !others
        .clone()
        .any(|other| is_on_its_way(other) || is_ahead(other))
}

/// Whether a condition is true of the spec as it is.
fn has(resource: &UserService, type_: &str) -> bool {
    let conditions = resource.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == type_)
        .any(|condition| {
            condition.status == "True"
                && condition.observed_generation == resource.metadata.generation
        })
}
