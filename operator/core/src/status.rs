//! The status that follows from what is seen and planned.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentStatus},
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube_core::{Resource, ResourceExt};
use operator_api::{
    UserService, UserServiceStatus,
    condition::{READY, RECONCILING, STALLED, STORAGE_DURABLE, reason},
};

use crate::{
    Child, ChildKind, Validated, Violation, World,
    children::{endpoint, selector_labels},
    world::{Owner, owner_of},
};

const TRUE: &str = "True";
const FALSE: &str = "False";
const UNKNOWN: &str = "Unknown";

/// Where a resource stands; each case is one picture of `Ready`, `Reconciling` and `Stalled`.
struct Stage {
    ready: &'static str,
    abnormal: Option<&'static str>,
    reason: &'static str,
    message: String,
}

/// Why nothing could be written.
pub(crate) enum Obstacle<'a> {
    /// The spec breaks these rules.
    InvalidSpec(&'a [Violation]),
    /// The child's name is taken by an object of somebody else.
    NameConflict(&'a Child),
    /// The child's name is taken by that of a deleted resource of the same name.
    AwaitingRemoval(&'a Child),
    /// The API server refused a child, in its own words.
    WriteRefused(String),
}

impl Obstacle<'_> {
    fn stage(self) -> Stage {
        let (abnormal, reason, message) = match self {
            Self::InvalidSpec(violations) => {
                let listed: Vec<String> = violations.iter().map(ToString::to_string).collect();
                (STALLED, reason::INVALID_SPEC, listed.join("; "))
            }
            Self::NameConflict(child) => {
                let message = format!(
                    "{} {} exists and does not belong to this resource; it is left alone. Rename or delete one of the two.",
                    child.kind.name(),
                    child.name
                );
                (STALLED, reason::NAME_CONFLICT, message)
            }
            Self::AwaitingRemoval(child) => {
                let message = format!(
                    "{} {} of a deleted resource of this name is still being removed.",
                    child.kind.name(),
                    child.name
                );
                (RECONCILING, reason::AWAITING_REMOVAL, message)
            }
            Self::WriteRefused(refusal) => (RECONCILING, reason::WRITE_REFUSED, refusal),
        };
        Stage {
            ready: FALSE,
            abnormal: Some(abnormal),
            reason,
            message,
        }
    }
}

/// Status of a resource for which nothing could be written: the pods are counted as they are, what
/// ran keeps running, and the rest stays as it was.
pub(crate) fn held_up(
    world: &World,
    resource: &UserService,
    obstacle: Obstacle<'_>,
    now: &Time,
) -> UserServiceStatus {
    let status = resource.status.clone().unwrap_or_default();
    let pods = deployment(world, resource).status.unwrap_or_default();
    let durable = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == STORAGE_DURABLE)
        .cloned();
    let mut conditions = stage_conditions(resource, obstacle.stage(), now);
    conditions.extend(durable);
    UserServiceStatus {
        observed_generation: resource.metadata.generation,
        conditions,
        replicas: pods.replicas.unwrap_or(0),
        available_replicas: pods.available_replicas.unwrap_or(0),
        ..status
    }
}

/// Status of a resource whose children are as planned, or about to be if `writing`.
pub(crate) fn observed(
    resource: &UserService,
    validated: &Validated,
    world: &World,
    writing: bool,
    now: &Time,
) -> UserServiceStatus {
    let deployment = deployment(world, resource);
    let pods = deployment.status.clone().unwrap_or_default();
    let mut conditions = stage_conditions(resource, stage(&deployment, &pods, writing), now);
    conditions.push(condition(
        resource,
        STORAGE_DURABLE,
        FALSE,
        reason::MEMORY_STORAGE,
        "Users are kept in the memory of each pod: pods do not share them and they are lost with the pod.".to_owned(),
        now,
    ));
    UserServiceStatus {
        observed_generation: resource.metadata.generation,
        conditions,
        version: Some(validated.version.clone()),
        image: Some(validated.image.clone()),
        replicas: pods.replicas.unwrap_or(0),
        available_replicas: pods.available_replicas.unwrap_or(0),
        selector: Some(selector_text(&selector_labels(&validated.name))),
        endpoint: Some(endpoint(&validated.name, &validated.namespace)),
    }
}

/// The resource's own Deployment as it is, or an empty one.
fn deployment(world: &World, resource: &UserService) -> Deployment {
    world
        .get(ChildKind::Deployment, &resource.name_any())
        .filter(|live| {
            let us = resource.controller_owner_ref(&());
            us.is_some_and(|us| owner_of(live, &us) == Owner::Us)
        })
        .and_then(|live| serde_json::from_value(live.clone()).ok())
        .unwrap_or_default()
}

fn stage(deployment: &Deployment, pods: &DeploymentStatus, writing: bool) -> Stage {
    let reconciling = |ready, reason, message| Stage {
        ready,
        abnormal: Some(RECONCILING),
        reason,
        message,
    };
    if writing {
        return reconciling(
            UNKNOWN,
            reason::APPLYING,
            "Children are being written.".to_owned(),
        );
    }
    let desired = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(0);
    let updated = pods.updated_replicas.unwrap_or(0);
    let total = pods.replicas.unwrap_or(0);
    let available = pods.available_replicas.unwrap_or(0);
    // Until the Deployment's controller has seen the current template, its conditions speak of the last one.
    let seen = pods.observed_generation >= deployment.metadata.generation;
    let refused = pod_refusal(pods)
        .map(|message| format!(" {message}"))
        .unwrap_or_default();
    if seen && let Some(progress) = progress_failure(pods) {
        return Stage {
            ready: FALSE,
            abnormal: Some(STALLED),
            reason: reason::PROGRESS_DEADLINE_EXCEEDED,
            message: format!("{progress}{refused}"),
        };
    }
    if !seen || updated < desired || total > updated {
        let message = format!(
            "{updated} of {desired} pods run the current spec, {available} take calls.{refused}"
        );
        return reconciling(UNKNOWN, reason::ROLLOUT_IN_PROGRESS, message);
    }
    if available < desired {
        let message = format!("{available} of {desired} pods take calls.{refused}");
        return reconciling(FALSE, reason::PODS_UNAVAILABLE, message);
    }
    Stage {
        ready: TRUE,
        abnormal: None,
        reason: reason::AVAILABLE,
        message: format!("{available} of {desired} pods run the current spec and take calls."),
    }
}

/// Why pods cannot be created, such as a quota or Pod Security, in the API server's words.
fn pod_refusal(pods: &DeploymentStatus) -> Option<&str> {
    let conditions = pods.conditions.as_ref()?;
    let failure = conditions
        .iter()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    failure.message.as_deref()
}

fn progress_failure(pods: &DeploymentStatus) -> Option<String> {
    let conditions = pods.conditions.as_ref()?;
    let failed = conditions.iter().find(|condition| {
        condition.type_ == "Progressing"
            && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    })?;
    Some(failed.message.clone().unwrap_or_default())
}

fn stage_conditions(resource: &UserService, stage: Stage, now: &Time) -> Vec<Condition> {
    let mut conditions = vec![condition(
        resource,
        READY,
        stage.ready,
        stage.reason,
        stage.message.clone(),
        now,
    )];
    if let Some(type_) = stage.abnormal {
        conditions.push(condition(
            resource,
            type_,
            TRUE,
            stage.reason,
            stage.message,
            now,
        ));
    }
    conditions
}

/// A condition whose transition time moves only when its status does.
fn condition(
    resource: &UserService,
    type_: &str,
    status: &str,
    reason: &str,
    message: String,
    now: &Time,
) -> Condition {
    let before = resource
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .find(|condition| condition.type_ == type_ && condition.status == status);
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: resource.metadata.generation,
        last_transition_time: before.map_or_else(
            || now.clone(),
            |condition| condition.last_transition_time.clone(),
        ),
    }
}

fn selector_text(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}
