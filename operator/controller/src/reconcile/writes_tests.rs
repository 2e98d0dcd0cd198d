//! What passes write for one change.

use kube::{api::DynamicObject, runtime::watcher::Event};
use operator_core::ChildKind;
use serde_json::{Value, json};

use super::{
    tests::{cluster, context_of, plain, taken},
    *,
};
use crate::{
    testing::{Log, server},
    watching::Children,
};

/// What was written since the last look: the kind of each child, and each status.
fn written(log: &Log) -> (Vec<String>, Vec<Value>) {
    let asked = std::mem::take(&mut *log.lock().unwrap());
    let (mut children, mut statuses) = (Vec::new(), Vec::new());
    for asked in asked {
        if asked.path.contains("/userservices/users/status") {
            statuses.push(asked.body["status"].clone());
        } else if asked.method == http::Method::PATCH {
            children.push(asked.body["kind"].as_str().unwrap().to_owned());
        }
    }
    (children, statuses)
}

fn ready(status: &Value) -> &Value {
    let conditions = status["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|ready| ready["type"] == "Ready");
    ready.unwrap()
}

/// The only child of a kind, as the watch tells of it in a later state.
fn later(children: &Children, kind: ChildKind, version: &str) -> DynamicObject {
    let listed = children.of("team-a", "users").remove(&kind);
    let (_, mut live) = listed.flatten().unwrap().remove(0);
    live["metadata"]["resourceVersion"] = json!(version);
    serde_json::from_value(live).unwrap()
}

#[tokio::test]
async fn a_change_is_told_once_as_it_is_when_all_is_written() {
    let (client, log) = server(taken).await;
    let context = context_of(client, 2);
    let children = Children::default();
    for kind in ChildKind::ALL {
        children.note(kind, Event::Init);
        children.note(kind, Event::InitDone);
    }
    let cluster = cluster(&context, &children);
    let Ok(mut resource) = plain("users").0 else {
        unreachable!("a resource that can be read");
    };
    resource.metadata.generation = Some(1);
    let pass = async |resource: &UserService| {
        keep(&cluster, resource, &context, "team-a/users")
            .await
            .unwrap()
    };

    let action = pass(&resource).await;
    assert_ne!(action, Action::requeue(WRITE_RECHECK), "nothing is left");
    let (kinds, statuses) = written(&log);
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    assert_eq!(ready(&statuses[0])["reason"], "RolloutInProgress");

    let mut rolled_out = later(&children, ChildKind::Deployment, "2");
    rolled_out.data["status"] =
        json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
    children.note(ChildKind::Deployment, Event::Apply(rolled_out));
    pass(&resource).await;
    let (_, statuses) = written(&log);
    assert_eq!(ready(&statuses[0])["status"], "True");
    resource.status = serde_json::from_value(statuses[0].clone()).unwrap();

    let mut theirs = later(&children, ChildKind::PodDisruptionBudget, "2");
    theirs.data["spec"]["maxUnavailable"] = json!(0);
    children.note(ChildKind::PodDisruptionBudget, Event::Apply(theirs));
    pass(&resource).await;
    let set_right = (vec!["PodDisruptionBudget".to_owned()], vec![]);
    assert_eq!(written(&log), set_right, "and nothing is told");

    resource.metadata.generation = Some(2);
    resource.spec.disruption = serde_json::from_value(json!({"maxUnavailable": 2})).unwrap();
    pass(&resource).await;
    let (kinds, statuses) = written(&log);
    assert_eq!(kinds, ["PodDisruptionBudget"]);
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    assert_eq!(statuses[0]["observedGeneration"], 2);
    assert_eq!(ready(&statuses[0])["status"], "True");
    let since = &ready(&statuses[0])["lastTransitionTime"];
    let before = resource.status.unwrap().conditions.remove(0);
    assert_eq!(*since, json!(before.last_transition_time), "no transition");
}
