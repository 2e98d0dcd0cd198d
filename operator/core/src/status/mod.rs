//! The status that follows from what is seen and planned.

mod obstacle;
mod rollout;
mod stage;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentSpec},
    apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time},
};
use kube_core::{Resource, ResourceExt};
use operator_api::{
    CreatedTopic, UserService, UserServiceStatus,
    condition::{MAX_MESSAGE, READY, STORAGE_DURABLE, TOPICS_READY, reason},
};
use serde::Deserialize;
use serde_json::Value;
use user_settings::Storage;

use crate::{
    ChildKind, Validated, World,
    children::{RENDERED_BY, REVISION, endpoint, selector_labels},
    diagnosis, pause,
    topics::{self, Review},
    transition::within,
    world::at,
};

pub(crate) use obstacle::Obstacle;
pub(crate) use rollout::is_settled;
pub(crate) use stage::{Health, Stage};

pub(crate) const TRUE: &str = "True";
pub(crate) const FALSE: &str = "False";
pub(crate) const UNKNOWN: &str = "Unknown";

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
    let mut conditions = obstacle.stage().conditions(resource, now);
    conditions.extend(before(resource, STORAGE_DURABLE).cloned());
    conditions.extend(before(resource, TOPICS_READY).cloned());
    conditions.extend(pause::paused(resource, now));
    UserServiceStatus {
        observed_generation: resource.metadata.generation,
        conditions,
        replicas: pods.replicas.unwrap_or(0),
        available_replicas: pods.available_replicas.unwrap_or(0),
        partitions: known_partitions(resource),
        // What was created in this pass must not be forgotten over what else went wrong.
        topics: topics::created(world, &status.topics),
        ..status
    }
}

/// What a plan found out beside what it writes.
pub(crate) struct Findings<'a> {
    /// Image of the pods that are wanted.
    pub(crate) image: String,
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
    let stage = findings.hold.unwrap_or_else(|| {
        if findings.writing {
            Stage::moving(reason::APPLYING, "Children are being written.".to_owned())
        } else if let Some(ready) = ready(resource).filter(|_| {
            !rollout::is_seen(&deployment)
                && !world.written.contains(&ChildKind::Deployment)
                && runs_as_told(resource, &deployment)
        }) {
            // Nothing of ours changed: somebody added to the Deployment what is theirs.
            Stage::settled(ready.message.clone())
        } else {
            let trouble = diagnosis::of_deployment(world, &validated.name);
            rollout::stage(&deployment, trouble.as_ref())
        }
    });
    let mut conditions = stage.conditions(resource, now);
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
    conditions.extend(pause::paused(resource, now));
    // What the pods still wait for is not in force, and would stay when nobody asks for it any more.
    let in_force = resource
        .status
        .as_ref()
        .filter(|_| held)
        .and_then(|status| status.version.clone());
    let created = findings
        .review
        .map_or_else(|| remembered(resource), |review| review.created.clone());
    UserServiceStatus {
        observed_generation: resource.metadata.generation,
        conditions,
        version: in_force.or_else(|| {
            let is_pinned = !held || resource.spec.version.is_none();
            is_pinned.then(|| validated.version.clone())
        }),
        image: Some(findings.image),
        revision: revision(&deployment),
        rendered_by: annotation(&deployment, RENDERED_BY).map(ToOwned::to_owned),
        replicas: pods.replicas.unwrap_or(0),
        available_replicas: pods.available_replicas.unwrap_or(0),
        selector: Some(selector_text(&selector_labels(&validated.name))),
        endpoint: Some(endpoint(&validated.name, &validated.namespace)),
        partitions: findings
            .review
            .and_then(|review| partitions(resource, review)),
        topics: created,
    }
}

fn annotation<'a>(deployment: &'a Deployment, name: &str) -> Option<&'a str> {
    let annotations = deployment.metadata.annotations.as_ref()?;
    annotations.get(name).map(String::as_str)
}

/// Topics that the resource created as far as its status tells.
pub(crate) fn remembered(resource: &UserService) -> Vec<CreatedTopic> {
    resource
        .status
        .as_ref()
        .map(|status| status.topics.clone())
        .unwrap_or_default()
}

/// Partitions of the topics, by the status. Those of another spec may be those of other topics.
fn known_partitions(resource: &UserService) -> Option<i32> {
    let status = resource.status.as_ref()?;
    status
        .partitions
        .filter(|_| status.observed_generation == resource.metadata.generation)
}

fn partitions(resource: &UserService, review: &Review) -> Option<i32> {
    if review.condition.is_none() {
        return known_partitions(resource);
    }
    review.partitions?.try_into().ok()
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

/// `Ready`, if the resource is, by its spec as it is now.
fn ready(resource: &UserService) -> Option<&Condition> {
    before(resource, READY).filter(|ready| {
        ready.status == TRUE && ready.observed_generation == resource.metadata.generation
    })
}

/// Whether the Deployment is of the revision that the status tells of. It is not where a pass failed
/// between its writes and what it had to tell of them.
fn runs_as_told(resource: &UserService, deployment: &Deployment) -> bool {
    resource.status.as_ref().is_some_and(|status| {
        status.revision == revision(deployment)
            && status.rendered_by.as_deref() == annotation(deployment, RENDERED_BY)
    })
}

fn revision(deployment: &Deployment) -> Option<i64> {
    annotation(deployment, REVISION).and_then(|number| number.parse().ok())
}

/// A condition as the resource has it.
fn before<'a>(resource: &'a UserService, type_: &str) -> Option<&'a Condition> {
    resource
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .find(|condition| condition.type_ == type_)
}

/// The resource's own Deployment as it is, or an empty one. Of its metadata and its spec it has no
/// more than is asked for: the rest is large, and nothing of it says how the pods are.
pub(crate) fn deployment(world: &World, resource: &UserService) -> Deployment {
    let us = resource.controller_owner_ref(&());
    world
        .own(ChildKind::Deployment, &resource.name_any(), us.as_ref())
        .and_then(|live| outline(live).ok())
        .unwrap_or_default()
}

fn outline(live: &Value) -> Result<Deployment, serde_json::Error> {
    let part = |path: &[&str]| at(live, path).unwrap_or(&Value::Null);
    Ok(Deployment {
        metadata: ObjectMeta {
            namespace: Option::deserialize(part(&["metadata", "namespace"]))?,
            generation: Option::deserialize(part(&["metadata", "generation"]))?,
            annotations: Option::deserialize(part(&["metadata", "annotations"]))?,
            ..ObjectMeta::default()
        },
        spec: Some(DeploymentSpec {
            replicas: Option::deserialize(part(&["spec", "replicas"]))?,
            ..DeploymentSpec::default()
        }),
        status: Option::deserialize(part(&["status"]))?,
    })
}

/// A condition whose transition time moves only when its status does, and whose message the API
/// server takes whatever is quoted in it.
pub(crate) fn condition(
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
        message: within(MAX_MESSAGE, message),
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
