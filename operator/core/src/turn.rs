//! Whose turn it is to be moved to what a newer operator makes of its spec: one resource of the cluster after the other,
//! so that what is wrong with it stops at the first.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_core::ResourceExt;
use operator_api::{
    UpgradePolicy, UserService,
    condition::{PAUSED, READY, STALLED, reason},
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
            && (!has(other, STALLED) || has_failed(other, release))
    };
    !others
        .clone()
        .any(|other| is_on_its_way(other) || is_ahead(other))
}

/// Whether the preparation for the version that ships with this operator failed: so it may for the next. One for a
/// version that the spec names, or that was in force before, says nothing of it.
fn has_failed(resource: &UserService, release: &Release) -> bool {
    let spec = &resource.spec;
    let is_moved = spec.version.is_none() && spec.image.is_none();
    let awaits = resource.status.as_ref().is_some_and(|status| {
        status.version.as_ref() != Some(&release.version)
            && status.image == Some(release.image(&release.version))
    });
    let stalled = condition(resource, STALLED);
    is_moved
        && awaits
        && stalled.is_some_and(|stalled| stalled.reason == reason::PREPARATION_FAILED)
}

/// Whether a condition is true of the spec as it is.
fn has(resource: &UserService, type_: &str) -> bool {
    condition(resource, type_).is_some()
}

/// A condition, if it is true of the spec as it is.
fn condition<'a>(resource: &'a UserService, type_: &str) -> Option<&'a Condition> {
    let mut conditions = resource.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|condition| {
        condition.type_ == type_
            && condition.status == "True"
            && condition.observed_generation == resource.metadata.generation
    })
}
