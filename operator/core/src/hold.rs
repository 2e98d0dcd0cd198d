//! Why the pods are left as they are although everything else is written.

use std::time::Duration;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use operator_api::condition::reason;
use serde_json::Value;

use crate::{
    Child, ChildKind, Delete, Validated, World, certificate,
    children::{Children, PREPARED, TOPICS_HASH},
    diagnosis,
    plan::delete_of,
    status::{FALSE, Health, Stage, UNKNOWN},
    topics::{DesiredTopics, Review},
    world::{at, condition_of},
};

/// How long a failed preparation is left alone before it is tried again: its own attempts have
/// outlasted whatever is short.
const RETRY: Duration = Duration::from_mins(5);

/// When a failed preparation is tried again.
pub(crate) enum Retry {
    /// After this time.
    Later(Duration),
    /// Now, once this Job is gone.
    Now(Delete),
}

/// The first reason to leave the pods as they are, worst first; none if they may be written.
pub(crate) fn hold(
    world: &World,
    validated: &Validated,
    children: &Children,
    review: Option<&Review>,
) -> Option<Stage> {
    let preparation = preparation(world, validated, children);
    if let Some(failed) = preparation
        .as_ref()
        .filter(|stage| stage.health == Health::Stuck)
    {
        return Some(failed.clone());
    }
    let certificate = certificate::hold(world, validated);
    if certificate
        .as_ref()
        .is_some_and(|stage| stage.health == Health::Stuck)
    {
        return certificate;
    }
    review
        .and_then(|review| topics(world, validated, review))
        .or(preparation)
        .or(certificate)
}

/// A Secret or a key of it is missing.
pub(crate) fn secret_missing(message: String) -> Stage {
    Stage::stuck(reason::SECRET_MISSING, message)
}

/// Whether what the Deployment needs was prepared for it, by its own account: the Job that did it
/// may be gone. The same version from another repository will do.
pub(crate) fn is_prepared(world: &World, validated: &Validated, children: &Children) -> bool {
    let prepared = annotation(world, validated, PREPARED);
    prepared.is_some()
        && [&children.prepared, &children.prepared_by_new_image]
            .iter()
            .any(|hash| hash.as_deref() == prepared)
}

fn preparation(world: &World, validated: &Validated, children: &Children) -> Option<Stage> {
    let job = children.job()?;
    if is_prepared(world, validated, children) {
        return None;
    }
    let live = world.get(ChildKind::Job, &job.name);
    if live.is_some_and(|live| job_condition(live, "Complete").is_some()) {
        return None;
    }
    if let Some(failure) = live.and_then(|live| job_condition(live, "Failed")) {
        return Some(failed(validated, job, failure));
    }
    if let Some(words) = &world.refused_job {
        let refusal = diagnosis::pod_refusal(&validated.namespace, words);
        let message = format!(
            "Job {} prepares what the pods need. {}",
            job.name, refusal.message
        );
        return Some(if refusal.is_final {
            // A Job keeps the pod that it was made with.
            let anew = format!("{message} Delete the Job once spec.pod is corrected.");
            Stage::stuck(reason::PODS_REFUSED, anew)
        } else {
            Stage::impaired(reason::PREPARING, message)
        });
    }
    let trouble = diagnosis::of_job(world, &job.name)
        .filter(|trouble| !trouble.is_wait())
        .map(|trouble| format!(" {trouble}"))
        .unwrap_or_default();
    let message = format!(
        "Job {} prepares what the pods need; until it is done they stay as they are.{trouble}",
        job.name
    );
    Some(Stage::moving(reason::PREPARING, message))
}

/// When the preparation is tried again, if it failed for a reason that time may remove.
pub(crate) fn retry(
    world: &World,
    validated: &Validated,
    children: &Children,
    now: &Time,
) -> Option<Retry> {
    let job = children.job()?;
    if is_prepared(world, validated, children) {
        return None;
    }
    let live = world.own(ChildKind::Job, &job.name, validated.owner.as_ref())?;
    let failure = job_condition(live, "Failed").filter(|failure| !is_hopeless(failure))?;
    let failed: Timestamp = failure.get("lastTransitionTime")?.as_str()?.parse().ok()?;
    let passed = Duration::try_from(now.0.duration_since(failed)).unwrap_or_default();
    match RETRY.checked_sub(passed).filter(|left| !left.is_zero()) {
        Some(left) => Some(Retry::Later(left)),
        None => delete_of(ChildKind::Job, &job.name, live).map(Retry::Now),
    }
}

/// Whether a command ended the Job with an exit code that no repetition mends.
fn is_hopeless(failure: &Value) -> bool {
    failure.get("reason").and_then(Value::as_str) == Some("PodFailurePolicy")
}

fn failed(validated: &Validated, job: &Child, failure: &Value) -> Stage {
    let why = failure
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("it gave no reason");
    let (namespace, name) = (&validated.namespace, &job.name);
    let by_itself = if is_hopeless(failure) {
        ""
    } else {
        "five minutes after it failed, and "
    };
    let message = format!(
        "Job {name} failed: {why}. What runs is left as it is. See kubectl logs -n {namespace} \
         -l batch.kubernetes.io/job-name={name} --all-containers --prefix --tail=50; correct the cause. \
         It is tried again {by_itself}when the image, the database, the registry, the topic prefix or a Secret \
         changes or the Job is deleted."
    );
    Stage::stuck(reason::PREPARATION_FAILED, message)
}

/// Whether a Job will do no more.
pub(crate) fn has_ended(job: &Value) -> bool {
    ["Complete", "Failed"]
        .iter()
        .any(|type_| job_condition(job, type_).is_some())
}

/// The condition of a Job, if it is true.
fn job_condition<'a>(job: &'a Value, type_: &str) -> Option<&'a Value> {
    condition_of(job, type_, "True")
}

/// Pods that were written for these very topics go on whatever became of Kafka since.
fn topics(world: &World, validated: &Validated, review: &Review) -> Option<Stage> {
    let hash = validated.topics.as_ref().map(DesiredTopics::hash);
    if !review.lacking || annotation(world, validated, TOPICS_HASH) == hash.as_deref() {
        return None;
    }
    let (ready, reason, message) = review.condition.clone().unwrap_or_else(|| {
        let message = "The topics have not been looked at yet.".to_owned();
        (UNKNOWN, reason::TOPICS_CHANGING, message)
    });
    Some(if reason == reason::NAME_CONFLICT {
        Stage::stuck(reason, message)
    } else if ready == FALSE {
        Stage::impaired(reason, message)
    } else {
        Stage::moving(reason, message)
    })
}

/// An annotation of the resource's own Deployment.
fn annotation<'a>(world: &'a World, validated: &Validated, name: &str) -> Option<&'a str> {
    let live = world.own(
        ChildKind::Deployment,
        &validated.name,
        validated.owner.as_ref(),
    )?;
    at(live, &["metadata", "annotations", name])?.as_str()
}
