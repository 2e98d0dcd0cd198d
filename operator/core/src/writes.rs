//! Which children are written.

use operator_api::condition::reason;
use serde_json::{Value, json};

use crate::{
    Child, ChildKind, Validated, World,
    children::{APPLIED_HASH, Children},
    contained::contained,
    hold,
    revision::Revision,
    status::Stage,
    world::at,
};

/// The children that are not as they should be, without those that have to wait.
pub(crate) fn writes(
    world: &World,
    validated: &Validated,
    mut children: Children,
    revision: Revision<'_>,
    hold: Option<&Stage>,
) -> Vec<Child> {
    let is_prepared = hold::is_prepared(world, validated, &children);
    let has_secrets = hold.is_none_or(|hold| hold.reason != reason::SECRET_MISSING);
    if hold.is_some() {
        spare(world, validated, &mut children.all);
    }
    let is_applied = |child: &Child| {
        world
            .get(child.kind, &child.name)
            .is_some_and(|live| contained(&child.object, live) && revision.is_in(child.kind, live))
    };
    let mut writes: Vec<Child> = children
        .all
        .into_iter()
        .filter(|child| match child.kind {
            kind if world.unknown.contains(&kind) => false,
            // A Job runs once; what it did may be on record without it.
            ChildKind::Job => {
                has_secrets && !is_prepared && world.get(child.kind, &child.name).is_none()
            }
            // No revision without pods that may run it.
            ChildKind::ControllerRevision | ChildKind::Deployment => {
                hold.is_none() && !is_applied(child)
            }
            _ => !is_applied(child),
        })
        .collect();
    revision.complete(&mut writes);
    writes
}

/// Keeps around pods that are left as they are what they need, where its description changed: a Service, which says what
/// they speak, waits for them; a policy opens further ways out at once, such as for their preparation, and closes none.
fn spare(world: &World, validated: &Validated, children: &mut Vec<Child>) {
    let us = validated.owner.as_ref();
    if world
        .own(ChildKind::Deployment, &validated.name, us)
        .is_none()
    {
        return;
    }
    // Where there is no policy, all ways are open.
    let open = json!({"spec": {"egress": [{}]}});
    children.retain_mut(|child| {
        let live = world.get(child.kind, &child.name);
        if live.is_some_and(|live| applied_hash(live) == applied_hash(&child.object)) {
            return true;
        }
        if child.kind == ChildKind::NetworkPolicy {
            widen(&mut child.object, live.unwrap_or(&open));
        }
        child.kind != ChildKind::Service || live.is_none()
    });
}

/// Adds the ways out that the live policy has. It keeps its hash, too: it is not yet what is described.
fn widen(policy: &mut Value, live: &Value) {
    let had = at(live, &["spec", "egress"]).and_then(Value::as_array);
    if let Some(Value::Array(rules)) = policy.pointer_mut("/spec/egress") {
        let kept = had.into_iter().flatten();
        let kept: Vec<Value> = kept.filter(|rule| !rules.contains(rule)).cloned().collect();
        rules.extend(kept);
    }
    if let Some(Value::Object(annotations)) = policy.pointer_mut("/metadata/annotations") {
        let hash = applied_hash(live).unwrap_or_default();
        annotations.insert(APPLIED_HASH.to_owned(), hash.into());
    }
}

fn applied_hash(object: &Value) -> Option<&str> {
    at(object, &["metadata", "annotations", APPLIED_HASH])?.as_str()
}
