//! What keeps a pod from taking calls, told so that a person can act on it.
//!
//! The text of a trouble stays the same as long as its cause does, so that a pod that fails again
//! and again is told once: pauses, counts and addresses of attempts are left out.

mod container;
mod refusal;

use std::fmt;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube_core::{Resource, ResourceExt};
use operator_api::UserService;
use serde_json::Value;

use crate::{
    ChildKind, World, hold,
    status::{deployment, is_settled},
    world::at,
};
use container::container_cause;
pub(crate) use refusal::{PodRefusal, pod_refusal};

/// Longest text of others within a message, characters.
const QUOTE: usize = 400;

/// The worst that is known of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    namespace: String,
    pod: String,
    container: Option<String>,
    cause: Cause,
}

/// Why a pod does not take calls, worst first.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// The image cannot be had: the kubelet's word for it, the image, and what is known of why.
    Image(String, String, Refusal),
    /// What the container's environment refers to is missing, in the kubelet's words.
    Config(String),
    /// The node cannot start the container: the kubelet's word for it.
    Start(String),
    /// The kernel ended the container for using more memory than its limit.
    OutOfMemory,
    /// The container ended with this code.
    Exit(i32),
    /// No node takes the pod, in the scheduler's words.
    Unschedulable(String),
    /// A volume cannot be mounted, in the kubelet's words.
    Mount(String),
    /// The node gave the pod up: reason and message.
    GivenUp(String, String),
    /// It runs, and says of itself that it is not ready.
    NotReady,
    /// Its containers are being made.
    Creating,
}

/// What a registry, or the way to it, answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// There is no such image.
    Missing,
    /// The registry wants other credentials, or hides that there is no such image.
    Denied,
    /// The text is no image reference.
    Malformed,
    /// Anything else, mostly a registry that cannot be reached.
    Other,
}

impl Trouble {
    /// Whether it is what every pod goes through when it starts.
    pub(crate) const fn is_wait(&self) -> bool {
        matches!(self.cause, Cause::NotReady | Cause::Creating)
    }

    const fn rank(&self) -> u8 {
        match self.cause {
            Cause::Image(..) => 0,
            Cause::Config(_) => 1,
            Cause::Start(_) => 2,
            Cause::OutOfMemory => 3,
            Cause::Exit(_) => 4,
            Cause::Mount(_) => 5,
            Cause::Unschedulable(_) => 6,
            Cause::GivenUp(..) => 7,
            Cause::NotReady => 8,
            Cause::Creating => 9,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pod {}: ", self.pod)?;
        if let Some(container) = &self.container {
            write!(f, "container {container}: ")?;
        }
        let look = |what: &str| format!("See kubectl {what} -n {} {}", self.namespace, self.pod);
        let log = |which: &str| {
            let container = self.container.as_deref().unwrap_or_default();
            format!("{} -c {container}{which}.", look("logs"))
        };
        match &self.cause {
            Cause::Image(word, image, refusal) => match refusal {
                Refusal::Missing => write!(
                    f,
                    "{word}: the registry has no image {image}. Push it, or correct spec.image or spec.version."
                ),
                Refusal::Denied => write!(
                    f,
                    "{word}: the registry does not give {image} to this pod. See that the image exists, and that the pod has credentials for its registry."
                ),
                Refusal::Malformed => write!(
                    f,
                    "{word}: {image} is no image reference. Correct spec.image."
                ),
                Refusal::Other => write!(
                    f,
                    "{word}: {image} cannot be pulled. {}.",
                    look("describe pod")
                ),
            },
            Cause::Config(message) => write!(
                f,
                "CreateContainerConfigError: {message}. Create what is missing."
            ),
            Cause::Start(word) => {
                write!(
                    f,
                    "{word}: the node cannot start it. {}.",
                    look("describe pod")
                )
            }
            Cause::OutOfMemory => write!(
                f,
                "OOMKilled: it used more memory than it may. Raise spec.pod.resources.limits.memory."
            ),
            Cause::Exit(code) => write!(
                f,
                "CrashLoopBackOff: it ended with exit code {code}{}. {}",
                container::meaning(*code),
                log(" --previous")
            ),
            Cause::Unschedulable(message) => write!(
                f,
                "Unschedulable: {message}. Lower spec.pod.resources.requests, or make room on the nodes."
            ),
            Cause::Mount(message) => write!(
                f,
                "FailedMount: {message}. Create what is missing, or correct the spec."
            ),
            Cause::GivenUp(reason, message) => {
                write!(f, "{reason}: {message}. {}.", look("describe pod"))
            }
            Cause::NotReady => write!(f, "it runs, but is not ready. {}", log("")),
            Cause::Creating => write!(
                f,
                "its containers are being made. {}.",
                look("describe pod")
            ),
        }
    }
}

/// Whether pods have to be looked at: some do not take calls, or a preparation runs.
pub fn needs_pods(world: &World, resource: &UserService) -> bool {
    let pods: Deployment = deployment(world, resource);
    // That of a former spec may be among them.
    let mut jobs = world
        .live
        .keys()
        .filter(|(kind, _)| *kind == ChildKind::Job);
    jobs.any(|(_, job)| running_job(world, resource, job).is_some()) || !is_settled(&pods)
}

/// The preparation of this name, if it has not ended.
fn running_job<'a>(world: &'a World, resource: &UserService, job: &str) -> Option<&'a Value> {
    let us = resource.controller_owner_ref(&());
    let live = world.own(ChildKind::Job, job, us.as_ref())?;
    (!hold::has_ended(live)).then_some(live)
}

/// The UID of the preparation of this name, if it runs and no pod of it has been made yet, so that
/// only events tell why.
pub fn awaits_pods<'a>(world: &'a World, resource: &UserService, job: &str) -> Option<&'a str> {
    let uid = at(running_job(world, resource, job)?, &["metadata", "uid"])?.as_str()?;
    let mut owners = world.pods.iter().flat_map(ResourceExt::owner_references);
    let has_one = owners.any(|owner| owner.uid == uid);
    (!has_one).then_some(uid)
}

/// Whether a pod has a node and still no containers, so that only events tell why.
pub fn awaits_containers(pod: &Pod) -> bool {
    cause(pod, None).is_some_and(|(_, cause)| cause == Cause::Creating)
}

/// What is wrong with a pod, in a text that changes only when something else is wrong.
pub fn signs(pod: &Pod) -> Option<String> {
    trouble(pod, None).map(|trouble| trouble.to_string())
}

/// The worst of the pods of a Deployment.
pub(crate) fn of_deployment(world: &World, name: &str) -> Option<Trouble> {
    let is_ours = |pod: &Pod, owner: &OwnerReference| {
        let hash = pod.labels().get("pod-template-hash");
        owner.kind == "ReplicaSet"
            && hash.is_some_and(|hash| owner.name == format!("{name}-{hash}"))
    };
    worst(world, is_ours)
}

/// The worst of the pods of a Job.
pub(crate) fn of_job(world: &World, name: &str) -> Option<Trouble> {
    worst(world, |_, owner| owner.kind == "Job" && owner.name == name)
}

/// The worst trouble; of equal ones that of the newest pod, which runs what was asked for last.
fn worst(world: &World, is_ours: impl Fn(&Pod, &OwnerReference) -> bool) -> Option<Trouble> {
    world
        .pods
        .iter()
        .filter(|pod| {
            let mut owners = pod.owner_references().iter();
            owners.any(|owner| owner.controller == Some(true) && is_ours(pod, owner))
        })
        .filter_map(|pod| {
            let mount = pod
                .uid()
                .and_then(|uid| world.failed_mounts.get(&uid).cloned());
            let created = pod.metadata.creation_timestamp.clone();
            Some((trouble(pod, mount)?, created))
        })
        .min_by(|(one, made), (other, other_made)| {
            one.rank()
                .cmp(&other.rank())
                .then_with(|| other_made.cmp(made))
                .then_with(|| one.pod.cmp(&other.pod))
        })
        .map(|(trouble, _)| trouble)
}

fn trouble(pod: &Pod, failed_mount: Option<String>) -> Option<Trouble> {
    let (container, cause) = cause(pod, failed_mount)?;
    Some(Trouble {
        namespace: pod.namespace().unwrap_or_default(),
        pod: pod.name_any(),
        container,
        cause,
    })
}

/// The container it is about, if it is about one, and the cause.
fn cause(pod: &Pod, failed_mount: Option<String>) -> Option<(Option<String>, Cause)> {
    let status = pod.status.as_ref()?;
    if pod.metadata.deletion_timestamp.is_some() || status.phase.as_deref() == Some("Succeeded") {
        return None;
    }
    let condition = |type_: &str| {
        let mut conditions = status.conditions.iter().flatten();
        conditions.find(|condition| condition.type_ == type_)
    };
    if condition("Ready").is_some_and(|ready| ready.status == "True") {
        return None;
    }
    if status.phase.as_deref() == Some("Failed")
        && let Some(reason) = &status.reason
    {
        let message = quoted(status.message.as_deref().unwrap_or("it gave no message"));
        return Some((None, Cause::GivenUp(reason.clone(), message)));
    }
    if let Some(scheduled) = condition("PodScheduled").filter(|scheduled| {
        scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable")
    }) {
        // What preemption would not help with is of no help here either.
        let message = scheduled.message.as_deref().unwrap_or("no node takes it");
        let message = message.split(" preemption:").next().unwrap_or(message);
        return Some((None, Cause::Unschedulable(quoted(message))));
    }
    let containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    let mut worst: Option<(Option<String>, Cause)> = None;
    for container in containers {
        match container_cause(container) {
            Some(Cause::Creating) if failed_mount.is_some() => {
                return Some((
                    None,
                    Cause::Mount(quoted(&failed_mount.unwrap_or_default())),
                ));
            }
            Some(cause @ (Cause::NotReady | Cause::Creating)) => {
                worst = worst.or_else(|| Some((Some(container.name.clone()), cause)));
            }
            Some(cause) => return Some((Some(container.name.clone()), cause)),
            None => {}
        }
    }
    worst
}

/// Words of others, shortened, without the full stop that the sentence around them has.
fn quoted(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    text.chars().take(QUOTE).collect()
}

#[cfg(test)]
mod tests;
