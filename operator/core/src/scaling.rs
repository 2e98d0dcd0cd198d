//! Who decides on the number of pods: the resource, or its autoscaler.
//!
//! A field that a manager leaves out of its apply is taken away unless another manager owns it, and
//! a Deployment without `replicas` has one pod. So the number that is live is first given to a
//! manager of its own, and left out of ours after that; the autoscaler takes it over from there. On
//! the way back the autoscaler goes first, or it would turn the number back; then our apply has the
//! number of the resource.

use serde_json::{Value, json};

use crate::{Child, ChildKind, Validated, World, children::AUTOSCALED, world::at};

/// The resource's own Deployment, if its name is not somebody else's.
fn deployment<'a>(world: &'a World, resource: &Validated) -> Option<&'a Value> {
    world.own(
        ChildKind::Deployment,
        &resource.name,
        resource.owner.as_ref(),
    )
}

/// Whether an autoscaler that is not wanted any more is still there.
pub(crate) fn is_taking_back(world: &World, resource: &Validated) -> bool {
    let autoscaler = world.own(
        ChildKind::HorizontalPodAutoscaler,
        &resource.name,
        resource.owner.as_ref(),
    );
    resource.autoscaling.is_none() && autoscaler.is_some()
}

/// The number of pods that belongs into the Deployment, or `None` if it is the autoscaler's.
pub(crate) fn replicas(world: &World, resource: &Validated) -> Option<i32> {
    let has_deployment = deployment(world, resource).is_some();
    match &resource.autoscaling {
        Some(_) if has_deployment => None,
        // There is nothing to hand over yet.
        Some(autoscaling) => Some(i32::try_from(autoscaling.min).unwrap_or(i32::MAX)),
        None if has_deployment && is_taking_back(world, resource) => None,
        None => Some(resource.replicas),
    }
}

/// The live number of pods, to be applied by a manager of its own before `writes`, which leave it
/// out for the first time. An autoscaler does nothing about a Deployment without pods, so it gets
/// one with the least number that is wanted.
pub(crate) fn hand_over(world: &World, resource: &Validated, writes: &[Child]) -> Option<Child> {
    let live = deployment(world, resource)?;
    let replicas = at(live, &["spec", "replicas"])?.as_i64()?;
    let is_handed_over = at(live, &["metadata", "annotations", AUTOSCALED]).is_some();
    let leaves_out = writes.iter().any(|child| {
        child.kind == ChildKind::Deployment && at(&child.object, &["spec", "replicas"]).is_none()
    });
    let least = match &resource.autoscaling {
        Some(autoscaling) if replicas == 0 && (is_handed_over || leaves_out) => {
            Some(i64::from(autoscaling.min))
        }
        _ => None,
    };
    if least.is_none() && (is_handed_over || !leaves_out) {
        return None;
    }
    let field = |name| at(live, &["metadata", name]).cloned().unwrap_or_default();
    Some(Child {
        kind: ChildKind::Deployment,
        name: resource.name.clone(),
        object: json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": resource.name,
                "namespace": resource.namespace,
                // Of the very object and number that was seen: the autoscaler may be at it already.
                "uid": field("uid"),
                "resourceVersion": field("resourceVersion"),
            },
            "spec": {"replicas": least.unwrap_or(replicas)},
        }),
    })
}
