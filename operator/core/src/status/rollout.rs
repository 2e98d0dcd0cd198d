//! How far the pods are, by what their Deployment and they themselves say.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use operator_api::condition::reason;

use super::Stage;
use crate::diagnosis::{self, PodRefusal, Trouble};

/// How many pods there are and how many there should be.
struct Counts {
    desired: i32,
    total: i32,
    updated: i32,
    available: i32,
    /// Until the Deployment's controller has seen the current template, its counts and conditions
    /// speak of the last one.
    seen: bool,
}

impl Counts {
    fn of(deployment: &Deployment) -> Self {
        let pods = deployment.status.clone().unwrap_or_default();
        let desired = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        Self {
            desired: desired.unwrap_or(0),
            total: pods.replicas.unwrap_or(0),
            updated: pods.updated_replicas.unwrap_or(0),
            available: pods.available_replicas.unwrap_or(0),
            seen: pods.observed_generation >= deployment.metadata.generation,
        }
    }

    const fn is_rolled_out(&self) -> bool {
        self.seen && self.updated >= self.desired && self.total <= self.updated
    }
}

/// Whether the Deployment's controller has seen the Deployment as it is.
pub(super) fn is_seen(deployment: &Deployment) -> bool {
    Counts::of(deployment).seen
}

/// Whether every pod runs the current template and takes calls, so that no pod needs a look.
pub(crate) fn is_settled(deployment: &Deployment) -> bool {
    let counts = Counts::of(deployment);
    counts.is_rolled_out() && counts.available >= counts.desired
}

/// Where the rollout stands. `trouble` is the worst that is known of a pod.
pub(super) fn stage(deployment: &Deployment, trouble: Option<&Trouble>) -> Stage {
    let counts = Counts::of(deployment);
    if !counts.seen {
        let message = "The Deployment is written; its pods are yet to follow.";
        return Stage::moving(reason::ROLLOUT_IN_PROGRESS, message.to_owned());
    }
    let Counts {
        desired,
        updated,
        available,
        ..
    } = counts;
    let pods = deployment.status.clone().unwrap_or_default();
    let refusal = refusal(deployment, &pods);
    let refused = refusal
        .as_ref()
        .map(|refusal| format!(" {}", refusal.message))
        .unwrap_or_default();
    let told = |trouble: Option<&Trouble>| {
        let trouble = trouble.map(|trouble| format!(" {trouble}"));
        format!("{refused}{}", trouble.unwrap_or_default())
    };
    let is_lacking = !counts.is_rolled_out() || available < desired;
    if is_lacking && refusal.is_some_and(|refusal| refusal.is_final) {
        let details = told(trouble.filter(|trouble| !trouble.is_wait()));
        let message = format!(
            "{updated} of {desired} pods run the current spec, {available} take calls.{details}"
        );
        return Stage::stuck(reason::PODS_REFUSED, message);
    }
    if let Some(progress) = progress_failure(&pods) {
        let message = format!("{progress}{}", told(trouble));
        return Stage::stuck(reason::PROGRESS_DEADLINE_EXCEEDED, message);
    }
    if !counts.is_rolled_out() {
        // A pod that merely is not ready yet is what a rollout is made of.
        let details = told(trouble.filter(|trouble| !trouble.is_wait()));
        let message = format!(
            "{updated} of {desired} pods run the current spec, {available} take calls.{details}"
        );
        return Stage::moving(reason::ROLLOUT_IN_PROGRESS, message);
    }
    if available < desired {
        let message = format!("{available} of {desired} pods take calls.{}", told(trouble));
        return Stage::impaired(reason::PODS_UNAVAILABLE, message);
    }
    Stage::settled(format!(
        "{available} of {desired} pods run the current spec and take calls."
    ))
}

/// Why pods cannot be made.
fn refusal(deployment: &Deployment, pods: &DeploymentStatus) -> Option<PodRefusal> {
    let conditions = pods.conditions.as_ref()?;
    let failure = conditions
        .iter()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    let namespace = deployment.metadata.namespace.as_deref();
    let words = failure.message.as_deref()?;
    Some(diagnosis::pod_refusal(namespace.unwrap_or_default(), words))
}

fn progress_failure(pods: &DeploymentStatus) -> Option<String> {
    let conditions = pods.conditions.as_ref()?;
    let failed = conditions.iter().find(|condition| {
        condition.type_ == "Progressing"
            && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    })?;
    Some(failed.message.clone().unwrap_or_default())
}
