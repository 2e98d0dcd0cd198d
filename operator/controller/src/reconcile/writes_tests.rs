//! What passes write for one change.

use std::sync::atomic::{AtomicU64, Ordering};

use kube::{api::DynamicObject, runtime::watcher::Event};
use operator_core::ChildKind;
use serde_json::{Value, json};

use super::{
    deletes_tests::left_over,
    tests::{cluster, context_of, plain, taken},
    *,
};
use crate::{
    testing::{Asked, Log, server},
    watching::Children,
};

/// A resource of which all passes are seen.
struct Bed {
    context: Context,
    children: Children,
    resource: UserService,
    log: Log,
    versions: Arc<AtomicU64>,
}

/// What was written since the last look.
struct Written {
    /// The kind of each child.
    kinds: Vec<String>,
    statuses: Vec<Value>,
    /// What each Event says.
    notes: Vec<Value>,
}

impl Bed {
    async fn of(answer: fn(&Asked) -> (u16, Value)) -> Self {
        let versions = Arc::new(AtomicU64::new(1));
        let of_answers = Arc::clone(&versions);
        let (client, log) = server(move |asked| {
            let (code, mut object) = answer(asked);
            object["metadata"]["resourceVersion"] = json!(next_version(&of_answers));
            (code, object)
        })
        .await;
        let children = Children::default();
        for kind in ChildKind::ALL {
            children.note(kind, Event::Init);
            children.note(kind, Event::InitDone);
        }
        let Ok(mut resource) = plain("users").0 else {
            unreachable!("a resource that can be read");
        };
        resource.metadata.generation = Some(1);
        Self {
            context: context_of(client, 2),
            children,
            resource,
            log,
            versions,
        }
    }

    async fn pass(&self) -> Action {
        let cluster = cluster(&self.context, &self.children);
        keep(&cluster, &self.resource, &self.context, "team-a/users")
            .await
            .unwrap()
    }

    fn written(&self) -> Written {
        let mut written = Written {
            kinds: Vec::new(),
            statuses: Vec::new(),
            notes: Vec::new(),
        };
        for asked in std::mem::take(&mut *self.log.lock().unwrap()) {
            if asked.path.contains("/userservices/users/status") {
                written.statuses.push(asked.body["status"].clone());
            } else if asked.method == http::Method::PATCH {
                let kind = asked.body["kind"].as_str().unwrap();
                written.kinds.push(kind.to_owned());
            } else if asked.method == http::Method::POST {
                written.notes.push(asked.body["note"].clone());
            }
        }
        written
    }

    /// The only child of a kind, as the watch tells of it in a later state.
    fn later(&self, kind: ChildKind) -> DynamicObject {
        let listed = self.children.of("team-a", "users").remove(&kind);
        let (_, mut live) = listed.flatten().unwrap().remove(0);
        live["metadata"]["resourceVersion"] = json!(next_version(&self.versions));
        serde_json::from_value(live).unwrap()
    }

    /// Lets all pods run what is written, and the status say so.
    async fn settle(&mut self) {
        let mut rolled_out = self.later(ChildKind::Deployment);
        rolled_out.data["status"] = json!({
            "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
        });
        self.children
            .note(ChildKind::Deployment, Event::Apply(rolled_out));
        self.pass().await;
        let mut statuses = self.written().statuses;
        let status = statuses.pop().unwrap();
        assert_eq!(ready(&status)["status"], "True");
        self.resource.status = serde_json::from_value(status).unwrap();
    }

    fn change(&mut self, spec: &str, value: Value) {
        let mut changed = serde_json::to_value(&self.resource.spec).unwrap();
        changed[spec] = value;
        self.resource.spec = serde_json::from_value(changed).unwrap();
        self.resource.metadata.generation = Some(2);
    }
}

/// The next version of any object.
fn next_version(versions: &AtomicU64) -> String {
    versions.fetch_add(1, Ordering::Relaxed).to_string()
}

fn ready(status: &Value) -> &Value {
    let conditions = status["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|ready| ready["type"] == "Ready");
    ready.unwrap()
}

/// As [`taken`], but a Deployment comes with what its controller said before it was written.
fn lagging(asked: &Asked) -> (u16, Value) {
    let (code, mut object) = taken(asked);
    if asked.method == http::Method::PATCH && asked.path.contains("/deployments/") {
        object["metadata"]["generation"] = json!(2);
        object["status"] = json!({
            "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
            "conditions": [
                {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods"},
            ],
        });
    }
    (code, object)
}

#[tokio::test]
async fn a_change_is_told_once_as_it_is_when_all_is_written() {
    let mut bed = Bed::of(taken).await;
    let action = bed.pass().await;
    assert_ne!(action, Action::requeue(WRITE_RECHECK), "nothing is left");
    let Written {
        kinds, statuses, ..
    } = bed.written();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    assert_eq!(ready(&statuses[0])["reason"], "RolloutInProgress");
    bed.settle().await;

    let mut theirs = bed.later(ChildKind::PodDisruptionBudget);
    theirs.data["spec"]["maxUnavailable"] = json!(0);
    bed.children
        .note(ChildKind::PodDisruptionBudget, Event::Apply(theirs));
    bed.pass().await;
    let set_right = bed.written();
    assert_eq!(set_right.kinds, ["PodDisruptionBudget"]);
    assert!(set_right.statuses.is_empty(), "{:?}", set_right.statuses);

    bed.change("disruption", json!({"maxUnavailable": 2}));
    bed.pass().await;
    let Written {
        kinds, statuses, ..
    } = bed.written();
    assert_eq!(kinds, ["PodDisruptionBudget"]);
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    assert_eq!(statuses[0]["observedGeneration"], 2);
    assert_eq!(ready(&statuses[0])["status"], "True");
    let since = &ready(&statuses[0])["lastTransitionTime"];
    let before = bed.resource.status.unwrap().conditions.remove(0);
    assert_eq!(*since, json!(before.last_transition_time), "no transition");
}

#[tokio::test]
async fn what_the_deployment_said_before_it_was_written_is_not_told_of_what_was_written() {
    let mut bed = Bed::of(lagging).await;
    bed.pass().await;
    bed.settle().await;

    bed.change("server", json!({"requestTimeout": "2s"}));
    bed.pass().await;
    let Written {
        kinds,
        statuses,
        notes,
    } = bed.written();
    assert_eq!(kinds, ["ConfigMap", "ControllerRevision", "Deployment"]);
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    let ready = ready(&statuses[0]);
    assert_eq!(ready["reason"], "RolloutInProgress");
    let message = "The Deployment is written; its pods are yet to follow.";
    assert_eq!(ready["message"], message);
    assert_eq!(notes, [json!(message)]);
}

#[tokio::test]
async fn what_may_be_deleted_once_all_is_written_is_deleted_soon() {
    let mut bed = Bed::of(taken).await;
    bed.pass().await;
    bed.settle().await;
    bed.children
        .note(ChildKind::ControllerRevision, Event::Apply(left_over("7")));

    bed.change("disruption", json!({"maxUnavailable": 2}));
    let action = bed.pass().await;
    assert_eq!(bed.written().kinds, ["PodDisruptionBudget"]);
    assert_eq!(action, Action::requeue(WRITE_RECHECK), "no event comes");

    bed.pass().await;
    let is_delete = |asked: &Asked| {
        asked.method == http::Method::DELETE && asked.path.contains("/controllerrevisions/old")
    };
    assert!(bed.log.lock().unwrap().iter().any(is_delete));
}
