//! The status that follows from what is seen and planned.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentStatus},
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube_core::{Resource, ResourceExt};
use operator_api::{
    CreatedTopic, UserService, UserServiceStatus,
    condition::{READY, RECONCILING, STALLED, STORAGE_DURABLE, TOPICS_READY, reason},
};
use user_settings::Storage;

use crate::{
    Child, ChildKind, Validated, Violation, World,
    children::{endpoint, selector_labels},
    topics::{self, Review},
};

pub(crate) const TRUE: &str = "True";
pub(crate) const FALSE: &str = "False";
pub(crate) const UNKNOWN: &str = "Unknown";

/// Where a resource stands; each case is one picture of `Ready`, `Reconciling` and `Stalled`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stage {
    pub(crate) ready: &'static str,
    pub(crate) abnormal: Option<&'static str>,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
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
    /// The resource is being deleted, and its topics before it, with what there is to say of them.
    DeletingTopics(String),
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
            Self::DeletingTopics(message) => (RECONCILING, reason::DELETING_TOPICS, message),
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
    let mut conditions = stage_conditions(resource, obstacle.stage(), now);
    conditions.extend(before(resource, STORAGE_DURABLE).cloned());
    conditions.extend(before(resource, TOPICS_READY).cloned());
    UserServiceStatus {
        observed_generation: resource.metadata.generation,
        conditions,
        replicas: pods.replicas.unwrap_or(0),
        available_replicas: pods.available_replicas.unwrap_or(0),
        // What was created in this pass must not be forgotten over what else went wrong.
        topics: topics::created(world, &status.topics),
        ..status
    }
}

/// What a plan found out beside what it writes.
pub(crate) struct Findings<'a> {
    /// Why the pods are left as they are, if they are.
    pub(crate) hold: Option<Stage>,
    /// Whether children are being written.
    pub(crate) writing: bool,
    /// The topics, if events go to Kafka.
    pub(crate) review: Option<&'a Review>,
}

/// Status of a resource whose children are as planned, or about to be.
pub(crate) fn observed(
    resource: &UserService,
    validated: &Validated,
    world: &World,
    findings: Findings<'_>,
    now: &Time,
) -> UserServiceStatus {
    let deployment = deployment(world, resource);
    let pods = deployment.status.clone().unwrap_or_default();
    let held = findings.hold.is_some();
    let stage = findings
        .hold
        .unwrap_or_else(|| stage(&deployment, &pods, findings.writing));
    let mut conditions = stage_conditions(resource, stage, now);
    // As long as the pods are left as they are, so is what is said of their storage.
    let durable = before(resource, STORAGE_DURABLE).filter(|_| held);
    conditions.push(
        durable
            .cloned()
            .unwrap_or_else(|| storage_durable(resource, validated, now)),
    );
    conditions.extend(
        findings
            .review
            .and_then(|review| topics_ready(resource, review, now)),
    );
    let created = findings
        .review
        .map_or_else(|| remembered(resource), |review| review.created.clone());
    UserServiceStatus {
        observed_generation: resource.metadata.generation,
        conditions,
        version: Some(validated.version.clone()),
        image: Some(validated.image.clone()),
        replicas: pods.replicas.unwrap_or(0),
        available_replicas: pods.available_replicas.unwrap_or(0),
        selector: Some(selector_text(&selector_labels(&validated.name))),
        endpoint: Some(endpoint(&validated.name, &validated.namespace)),
        topics: created,
    }
}

/// Topics that the resource created as far as its status tells.
pub(crate) fn remembered(resource: &UserService) -> Vec<CreatedTopic> {
    resource
        .status
        .as_ref()
        .map(|status| status.topics.clone())
        .unwrap_or_default()
}

fn storage_durable(resource: &UserService, validated: &Validated, now: &Time) -> Condition {
    let (status, reason, message) = match validated.settings.storage {
        Storage::Memory => (
            FALSE,
            reason::MEMORY_STORAGE,
            "Users are kept in the memory of each pod: pods do not share them and they are lost with the pod.".to_owned(),
        ),
        Storage::Mongodb => (
            TRUE,
            reason::MONGODB_STORAGE,
            format!("Users are kept in the database {}.", validated.settings.mongodb.database),
        ),
    };
    condition(resource, STORAGE_DURABLE, status, reason, message, now)
}

fn topics_ready(resource: &UserService, review: &Review, now: &Time) -> Option<Condition> {
    let Some((status, reason, message)) = review.condition.clone() else {
        return before(resource, TOPICS_READY).cloned();
    };
    Some(condition(
        resource,
        TOPICS_READY,
        status,
        reason,
        message,
        now,
    ))
}

/// A condition as the resource has it.
fn before<'a>(resource: &'a UserService, type_: &str) -> Option<&'a Condition> {
    resource
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .find(|condition| condition.type_ == type_)
}

/// The resource's own Deployment as it is, or an empty one.
fn deployment(world: &World, resource: &UserService) -> Deployment {
    let us = resource.controller_owner_ref(&());
    world
        .own(ChildKind::Deployment, &resource.name_any(), us.as_ref())
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
    let before = before(resource, type_).filter(|condition| condition.status == status);
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
