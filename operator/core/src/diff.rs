//! What the operator would do to the children of a resource, by which rule, and at what cost.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use operator_api::{
    UserService,
    condition::{READY, reason},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    Child, ChildKind, Delete, Plan, Release, Validated, World,
    children::{self, APPLIED_HASH, Children, RENDERED_BY, REVISION},
    contained::differences,
    hold,
    plan::{finalizer, is_of_pods, name_taken, orphans, plan},
    revision::Revision,
    scaling,
    secrets::{self, Fingerprints},
    validate::validate,
    world::at,
};

/// What would change, and what stands in the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Changes of children, in the order in which they would be made.
    pub changes: Vec<Change>,
    /// Whether the finalizer would be set (`true`) or taken away (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalizer: Option<bool>,
    /// Why nothing, or not everything, would be written at once: reason and message of `Ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

/// A reason with its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// One word, as in the condition.
    pub reason: String,
    /// The sentence that goes with it.
    pub message: String,
}

/// A change of one child.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// Kind of the child.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Why it is done.
    pub rule: Rule,
    /// Whether pods that run are replaced.
    pub restarts_pods: bool,
    /// What has to happen first, as a reason of `Ready`; nothing if it is done at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// The fields that differ. None for a child that comes or goes, nor where the only change is
    /// that a field is not described any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What is done to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is made.
    Create,
    /// Some of its fields are set.
    Update,
    /// It is deleted.
    Delete,
}

/// Why a child is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// It is described and not there.
    NewChild,
    /// What is described is not what was last applied: the spec, a Secret or the operator changed.
    SpecChange,
    /// What was last applied is what is described, and somebody changed it since.
    Drift,
    /// It is not described any more.
    Superseded,
    /// It failed and is made anew.
    Retry,
}

/// A field that is set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Path within the child.
    pub path: String,
    /// What it has; nothing if it is not there.
    pub from: Option<Value>,
    /// What it gets.
    pub to: Value,
}

impl Diff {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.finalizer.is_none() && !self.is_blocked()
    }

    /// Whether any change replaces pods that run.
    pub fn restarts_pods(&self) -> bool {
        self.changes.iter().any(|change| change.restarts_pods)
    }

    fn is_blocked(&self) -> bool {
        let blocks = [
            reason::INVALID_SPEC,
            reason::NAME_CONFLICT,
            reason::AWAITING_REMOVAL,
        ];
        self.standing
            .as_ref()
            .is_some_and(|standing| blocks.contains(&standing.reason.as_str()))
    }
}

/// What [`plan`] does with `resource` in `world`, now and once what it waits for has happened.
/// Topics are not part of it.
///
/// # Errors
/// Only if a child cannot be serialised, which would be a bug.
pub fn diff(
    world: &World,
    resource: &UserService,
    release: &Release,
    now: &Time,
) -> Result<Diff, serde_json::Error> {
    let plan = plan(world, resource, release, now)?;
    let standing = standing(&plan, resource);
    let Ok(validated) = validate(resource, release) else {
        return Ok(blocked(standing));
    };
    let Fingerprints { pods, preparation } =
        secrets::fingerprints(validated.secret_needs(), &world.secrets).unwrap_or_default();
    let replicas = scaling::replicas(world, &validated);
    let wanted = Revision::wanted(world, &validated, &resource.spec, release, pods.as_deref())?;
    let mut children = children::build(&validated, &wanted, preparation.as_deref(), replicas)?;
    wanted.complete(&mut children.all);
    if name_taken(world, &children.all, &validated).is_some() {
        return Ok(blocked(standing));
    }
    let waits_for = standing.as_ref().map(|standing| standing.reason.clone());
    let mut changes = written(world, &validated, &children, &plan, waits_for.as_deref());
    changes.extend(deleted(
        world,
        &validated,
        &children,
        &plan,
        waits_for.as_deref(),
    ));
    let finalizer = finalizer(resource, &validated);
    let waits =
        finalizer != plan.finalizer || changes.iter().any(|change| change.waits_for.is_some());
    Ok(Diff {
        standing: standing.filter(|_| waits),
        changes,
        finalizer,
    })
}

fn blocked(standing: Option<Standing>) -> Diff {
    Diff {
        standing,
        ..Diff::default()
    }
}

/// `Ready` as it would be said.
fn standing(plan: &Plan, resource: &UserService) -> Option<Standing> {
    let status = plan.status.as_ref().or(resource.status.as_ref())?;
    let is_ready = |condition: &&Condition| condition.type_ == READY;
    let ready = status.conditions.iter().find(is_ready)?;
    Some(Standing {
        reason: ready.reason.clone(),
        message: ready.message.clone(),
    })
}

fn written(
    world: &World,
    validated: &Validated,
    children: &Children,
    plan: &Plan,
    waits_for: Option<&str>,
) -> Vec<Change> {
    let is_prepared = hold::is_prepared(world, validated, children);
    let changes = children.all.iter().filter_map(|child| {
        let live = world.get(child.kind, &child.name);
        // A Job runs once and is never changed.
        if child.kind == ChildKind::Job && (is_prepared || live.is_some()) {
            return None;
        }
        let change = change(child, live)?;
        let is_now = plan.writes.iter().any(|write| write == child);
        Some(Change {
            waits_for: waits_for.filter(|_| !is_now).map(str::to_owned),
            ..change
        })
    });
    changes.collect()
}

/// How a child differs from what is there, if it does.
fn change(child: &Child, live: Option<&Value>) -> Option<Change> {
    let create = Change {
        action: Action::Create,
        kind: child.kind.name(),
        name: child.name.clone(),
        rule: Rule::NewChild,
        restarts_pods: false,
        waits_for: None,
        fields: Vec::new(),
    };
    let Some(live) = live else {
        return Some(create);
    };
    let differences = differences(&child.object, live);
    if differences.is_empty() {
        return None;
    }
    let hash = |object: &Value| {
        let hash = at(object, &["metadata", "annotations", APPLIED_HASH])?;
        Some(hash.as_str()?.to_owned())
    };
    let rule = if hash(live) == hash(&child.object) {
        Rule::Drift
    } else {
        Rule::SpecChange
    };
    let replaces_pods = |path: &str| path == "spec.template" || path.starts_with("spec.template.");
    Some(Change {
        action: Action::Update,
        rule,
        restarts_pods: child.kind == ChildKind::Deployment
            && differences.iter().any(|field| replaces_pods(&field.path)),
        fields: differences
            .into_iter()
            // Bookkeeping: that it differs is what the rule says.
            .filter(|field| !is_bookkeeping(&field.path))
            .map(|field| FieldChange {
                path: field.path,
                from: field.have.cloned(),
                to: field.want.clone(),
            })
            .collect(),
        ..create
    })
}

fn is_bookkeeping(path: &str) -> bool {
    [APPLIED_HASH, REVISION, RENDERED_BY]
        .iter()
        .any(|annotation| path.ends_with(&format!("[{annotation}]")))
}

fn deleted(
    world: &World,
    validated: &Validated,
    children: &Children,
    plan: &Plan,
    waits_for: Option<&str>,
) -> Vec<Change> {
    let delete = |delete: &Delete, rule, waits_for| Change {
        action: Action::Delete,
        kind: delete.kind.name(),
        name: delete.name.clone(),
        rule,
        restarts_pods: false,
        waits_for,
        fields: Vec::new(),
    };
    let orphans = orphans(world, &children.all, validated);
    let superseded = orphans.iter().map(|orphan| {
        let is_now = plan.deletes.contains(orphan);
        // Old settings are kept until no pod can restart with them.
        let waits_for = if is_of_pods(orphan.kind) {
            Some(reason::ROLLOUT_IN_PROGRESS)
        } else {
            waits_for
        };
        let waits_for = waits_for.filter(|_| !is_now).map(str::to_owned);
        delete(orphan, Rule::Superseded, waits_for)
    });
    let others = plan
        .deletes
        .iter()
        .filter(|planned| !orphans.contains(planned))
        .map(|retried| delete(retried, Rule::Retry, None));
    superseded.chain(others).collect()
}
