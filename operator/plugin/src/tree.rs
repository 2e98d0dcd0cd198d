//! A resource with its children and pods, as read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{Api, ResourceExt, api::ListParams, core::error_boundary::InvalidObject};
use operator_api::UserService;
use operator_cluster::{Error as ClusterError, Reader, bounded};
use operator_commands::Connection;
use operator_core::{
    ChildKind,
    children::{INSTANCE_LABEL, POD_SELECTOR},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{error::Error, pods::statuses};

/// What is there of one resource.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tree {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) version: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) replicas: i32,
    pub(crate) available_replicas: i32,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) children: Vec<Node>,
    /// What could not be read, and why.
    pub(crate) unread: Vec<String>,
    /// Why it cannot be read as a `UserService`; nothing else is known of it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) malformed: Option<String>,
}

impl Tree {
    pub(crate) fn malformed(invalid: InvalidObject) -> Self {
        Self {
            name: invalid.metadata.name.unwrap_or_default(),
            namespace: invalid.metadata.namespace.unwrap_or_default(),
            malformed: Some(invalid.error),
            ..Self::default()
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) type_: String,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// A child or a pod.
#[derive(Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) well: bool,
    /// How it is, in a few words.
    pub(crate) state: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pods: Vec<Node>,
}

/// Reads what belongs to a resource. A kind that may not be read is told, not fatal.
pub(crate) async fn read(connection: &Connection, resource: &UserService) -> Result<Tree, Error> {
    let name = resource.name_any();
    let reader = Reader {
        client: connection.client.clone(),
        namespace: &connection.namespace,
        name: &name,
    };
    let mut unread = Vec::new();
    let mut pods = pods(connection, &name, &mut unread).await?;
    let mut lives = Vec::new();
    for kind in ChildKind::ALL {
        let children = reader.children_of(resource, kind).await;
        lives.extend(allowed(
            children.map(Option::unwrap_or_default),
            &mut unread,
        )?);
    }
    let current = current(&lives);
    let mut children = Vec::new();
    for ((kind, name), live) in lives {
        if kind == ChildKind::ControllerRevision
            && live.get("revision") != current.revision.as_ref()
            || kind == ChildKind::ConfigMap && !current.settings.contains(&json!(name))
        {
            // Kept to come back to; `history` shows them.
            continue;
        }
        let owner = match kind {
            ChildKind::Deployment => Some(Owner::Deployment),
            ChildKind::Job => Some(Owner::Job(name.clone())),
            _ => None,
        };
        let (well, state) = state(kind, &live);
        children.push(Node {
            kind: kind.name(),
            name,
            well,
            state,
            pods: owner
                .and_then(|owner| pods.remove(&owner))
                .unwrap_or_default(),
        });
    }
    let status = resource.status.clone().unwrap_or_default();
    let conditions = status.conditions.into_iter().map(|condition| Condition {
        type_: condition.type_,
        status: condition.status,
        reason: condition.reason,
        message: condition.message,
    });
    Ok(Tree {
        namespace: connection.namespace.clone(),
        version: status.version,
        image: status.image,
        endpoint: status.endpoint,
        replicas: status.replicas,
        available_replicas: status.available_replicas,
        conditions: conditions.collect(),
        children,
        unread,
        malformed: None,
        name,
    })
}

/// What the pods run now or are moved to.
struct Current {
    revision: Option<Value>,
    settings: Vec<Value>,
}

/// By the latest revision; without one everything is shown that could be it.
fn current(lives: &[((ChildKind, String), Value)]) -> Current {
    let revisions = lives
        .iter()
        .filter(|((kind, _), _)| *kind == ChildKind::ControllerRevision);
    let latest = revisions.max_by_key(|(_, live)| live.get("revision").and_then(Value::as_i64));
    let Some((_, latest)) = latest else {
        return Current {
            revision: None,
            settings: lives.iter().map(|((_, name), _)| json!(name)).collect(),
        };
    };
    let containers = latest.pointer("/data/template/spec/containers");
    let sources = containers
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|container| container.get("envFrom")?.as_array())
        .flatten();
    Current {
        revision: latest.get("revision").cloned(),
        settings: sources
            .filter_map(|source| source.pointer("/configMapRef/name").cloned())
            .collect(),
    }
}

/// What was read; nothing, and a note, where the right to is missing.
fn allowed<T>(
    answer: Result<Vec<T>, ClusterError>,
    unread: &mut Vec<String>,
) -> Result<Vec<T>, Error> {
    match answer {
        Err(error) if error.code() == Some(403) => {
            unread.push(error.to_string());
            Ok(Vec::new())
        }
        answer => Ok(answer?),
    }
}

/// Whose a pod is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Deployment,
    /// The preparation of this name: the one before stays until the pods run what the next prepared.
    Job(String),
}

impl Owner {
    fn of(pod: &Pod) -> Self {
        let job = pod.labels().get("batch.kubernetes.io/job-name");
        job.map_or(Self::Deployment, |job| Self::Job(job.clone()))
    }
}

/// Pods of the resource by whose they are.
async fn pods(
    connection: &Connection,
    name: &str,
    unread: &mut Vec<String>,
) -> Result<BTreeMap<Owner, Vec<Node>>, Error> {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let params = ListParams::default().labels(&format!("{POD_SELECTOR},{INSTANCE_LABEL}={name}"));
    let listed = bounded("list", "Pod", name, api.list(&params)).await;
    let mut pods: BTreeMap<Owner, Vec<Node>> = BTreeMap::new();
    for pod in allowed(listed.map(|list| list.items), unread)? {
        let node = self::pod(&pod);
        pods.entry(Owner::of(&pod)).or_default().push(node);
    }
    Ok(pods)
}

fn pod(pod: &Pod) -> Node {
    let status = pod.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or_else(|| "Unknown".to_owned());
    let restarts: i32 = statuses(pod).map(|container| container.restart_count).sum();
    let ready = status
        .conditions
        .iter()
        .flatten()
        .any(|one| one.type_ == "Ready" && one.status == "True");
    let state = match statuses(pod).find_map(trouble) {
        Some(trouble) => trouble,
        None if pod.metadata.deletion_timestamp.is_some() => "stopping".to_owned(),
        None if ready => "ready".to_owned(),
        None if phase == "Pending" => pending(&status.conditions.unwrap_or_default()),
        None => phase.to_lowercase(),
    };
    let again = if restarts > 0 {
        format!(", restarted {restarts} times")
    } else {
        String::new()
    };
    Node {
        kind: "Pod",
        name: pod.name_any(),
        well: ready || phase == "Succeeded",
        state: format!("{state}{again}"),
        pods: Vec::new(),
    }
}

/// Why a pod does not start: the scheduler's words, if it has any.
fn pending(conditions: &[k8s_openapi::api::core::v1::PodCondition]) -> String {
    let unscheduled = conditions
        .iter()
        .find(|one| one.type_ == "PodScheduled" && one.status == "False");
    match unscheduled.and_then(|one| one.message.as_deref()) {
        Some(message) => format!("pending: {message}"),
        None => "pending".to_owned(),
    }
}

/// Why a container does not run.
fn trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref()?;
        if matches!(reason, "ContainerCreating" | "PodInitializing") {
            return None;
        }
        let message = waiting.message.as_deref().unwrap_or_default();
        return Some(format!("{reason} {message}").trim().to_owned());
    }
    let ended = state
        .terminated
        .as_ref()
        .filter(|ended| ended.exit_code != 0)?;
    let reason = ended.reason.as_deref().unwrap_or("ended");
    Some(format!("{reason}, exit code {}", ended.exit_code))
}

/// How a child is, as far as its own status tells.
fn state(kind: ChildKind, live: &Value) -> (bool, String) {
    let number = |path: &str| live.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    match kind {
        ChildKind::Deployment => {
            let wanted = number("/spec/replicas");
            let available = number("/status/availableReplicas");
            let updated = number("/status/updatedReplicas");
            let state = format!("{available} of {wanted} available, {updated} of the current spec");
            (available >= wanted && updated >= wanted, state)
        }
        ChildKind::Job if is_true(live, "Complete") => (true, "done".to_owned()),
        ChildKind::Job => {
            let failed = number("/status/failed");
            let message = condition(live, "Failed", "message").unwrap_or_default();
            let state = if is_true(live, "Failed") {
                format!("failed, attempts: {failed}; {message}")
            } else {
                format!("runs, {failed} attempts failed")
            };
            (failed == 0 && !is_true(live, "Failed"), state)
        }
        ChildKind::Certificate => {
            let message = condition(live, "Ready", "message").unwrap_or("not issued yet");
            (is_true(live, "Ready"), message.to_owned())
        }
        ChildKind::HorizontalPodAutoscaler => {
            let (min, max) = (number("/spec/minReplicas"), number("/spec/maxReplicas"));
            let wanted = number("/status/desiredReplicas");
            (true, format!("wants {wanted}, of {min} to {max}"))
        }
        ChildKind::PodDisruptionBudget => {
            let allowed = number("/status/disruptionsAllowed");
            (true, format!("{allowed} may be evicted"))
        }
        _ => (true, String::new()),
    }
}

fn is_true(live: &Value, condition: &str) -> bool {
    self::condition(live, condition, "status") == Some("True")
}

/// A field of a condition of a child.
fn condition<'a>(live: &'a Value, condition: &str, field: &str) -> Option<&'a str> {
    let conditions = live.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|one| one.get("type").and_then(Value::as_str) == Some(condition));
    found?.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preparation_that_failed_is_not_said_to_run() {
        let job = |conditions: Value| json!({"status": {"failed": 1, "conditions": conditions}});
        let failed = job(json!([{"type": "Failed", "status": "True", "message": "exit code 78"}]));
        let (well, state) = state(ChildKind::Job, &failed);
        assert!(!well);
        assert_eq!(state, "failed, attempts: 1; exit code 78");
        let done = job(json!([{"type": "Complete", "status": "True"}]));
        assert_eq!(
            self::state(ChildKind::Job, &done),
            (true, "done".to_owned())
        );
        let (_, runs) = self::state(ChildKind::Job, &job(json!([])));
        assert!(runs.starts_with("runs"), "{runs}");
    }

    #[test]
    fn a_pod_is_that_of_its_own_preparation() {
        let mut pod = Pod::default();
        assert_eq!(Owner::of(&pod), Owner::Deployment);
        let label = (
            "batch.kubernetes.io/job-name".to_owned(),
            "users-2".to_owned(),
        );
        pod.labels_mut().extend([label]);
        assert_eq!(Owner::of(&pod), Owner::Job("users-2".to_owned()));
    }
}
