use serde_json::Value;

use super::*;
use crate::{
    metrics::Metrics,
    testing::{Asked, failure, server},
    watching::Children,
};

fn resource() -> UserService {
    let mut resource = UserService::new("users", operator_api::UserServiceSpec::default());
    resource.metadata.namespace = Some("team-a".into());
    resource.metadata.uid = Some("uid-of-users".into());
    resource.metadata.resource_version = Some("7".into());
    resource
}

fn answered(uid: &str, version: &str) -> (u16, Value) {
    let mut live = resource();
    live.metadata.uid = Some(uid.into());
    live.metadata.resource_version = Some(version.into());
    (200, serde_json::to_value(live).unwrap())
}

fn cluster(client: kube::Client, metrics: &Metrics) -> Cluster<'_> {
    Cluster {
        client,
        metrics,
        children: Children::default(),
        namespace: "team-a",
        name: "users",
    }
}

#[tokio::test]
async fn the_finalizer_is_taken_away_whoever_set_it_and_others_keep_theirs() {
    let (client, log) = server(|_| answered("uid-of-users", "8")).await;
    let metrics = Metrics::new();
    let mut resource = resource();
    resource.metadata.finalizers = Some(vec!["theirs".into(), TOPICS_FINALIZER.into()]);
    cluster(client, &metrics)
        .hold(&resource, false)
        .await
        .unwrap();
    let asked = log.lock().unwrap()[0].clone();
    assert_eq!(asked.content, "application/merge-patch+json");
    assert_eq!(
        asked.body,
        json!({"metadata": {
            "finalizers": ["theirs"], "uid": "uid-of-users", "resourceVersion": "7",
        }})
    );
}

/// An API server that refuses to report at version 7, since `uid` is there at version 9.
fn moved_on(uid: &'static str) -> impl Fn(&Asked) -> (u16, Value) + Clone {
    move |asked| match asked.body.pointer("/metadata/resourceVersion") {
        Some(version) if version == "7" => failure(409, "Conflict"),
        _ => answered(uid, "9"),
    }
}

#[tokio::test]
async fn a_status_is_reported_over_a_change_that_was_made_meanwhile() {
    let (client, log) = server(moved_on("uid-of-users")).await;
    let metrics = Metrics::new();
    let status = UserServiceStatus::default();
    cluster(client, &metrics)
        .report(&resource(), &status)
        .await
        .unwrap();
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 3);
    assert_eq!(log[2].body["metadata"], json!({"resourceVersion": "9"}));
}

fn with_topics(names: &[&str]) -> UserServiceStatus {
    let topic = |name: &&str| json!({"name": name, "id": format!("id-of-{name}")});
    let topics: Vec<Value> = names.iter().map(topic).collect();
    serde_json::from_value(json!({"topics": topics})).unwrap()
}

#[tokio::test]
async fn topics_that_another_pass_noted_are_not_forgotten_over_an_outdated_copy() {
    let mut live = resource();
    live.metadata.resource_version = Some("9".into());
    live.status = Some(with_topics(&["user.created", "user.updated"]));
    let live = serde_json::to_value(live).unwrap();
    let (client, log) =
        server(
            move |asked| match asked.body.pointer("/metadata/resourceVersion") {
                Some(version) if version == "7" => failure(409, "Conflict"),
                _ => (200, live.clone()),
            },
        )
        .await;
    let metrics = Metrics::new();
    let created = with_topics(&["user.deleted"]);
    let answer = cluster(client, &metrics)
        .report(&resource(), &created)
        .await;
    assert!(answer.is_err(), "it is looked at again");
    let written = &log.lock().unwrap()[2].body["status"];
    let all = with_topics(&["user.created", "user.updated", "user.deleted"]);
    assert_eq!(written["topics"], json!(all.topics));
}

fn stalled() -> UserServiceStatus {
    let condition = json!({
        "type": "Ready", "status": "False", "reason": "InvalidSpec", "message": "spec.x: why",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(json!({"conditions": [condition]})).unwrap()
}

#[tokio::test]
async fn what_changed_with_a_status_is_told_in_an_event() {
    let (client, log) = server(|_| answered("uid-of-users", "8")).await;
    let metrics = Metrics::new();
    let cluster = cluster(client, &metrics);
    cluster.report(&resource(), &stalled()).await.unwrap();
    let mut known = resource();
    known.status = Some(stalled());
    cluster.report(&known, &stalled()).await.unwrap();
    let log = log.lock().unwrap();
    let events: Vec<_> = log
        .iter()
        .filter(|asked| {
            asked
                .path
                .starts_with("/apis/events.k8s.io/v1/namespaces/team-a/events")
        })
        .collect();
    assert_eq!((log.len(), events.len()), (3, 1), "told once: {log:?}");
    let body = &events[0].body;
    assert_eq!(body["type"], "Warning");
    assert_eq!(body["reason"], "InvalidSpec");
    assert_eq!(body["note"], "spec.x: why");
    assert_eq!(body["action"], "ReadyChanged");
    assert_eq!(body["regarding"]["uid"], "uid-of-users");
}

#[tokio::test]
async fn an_event_that_cannot_be_written_fails_no_report() {
    let (client, log) = server(|asked| match asked.method {
        axum::http::Method::POST => failure(403, "Forbidden"),
        _ => answered("uid-of-users", "8"),
    })
    .await;
    let metrics = Metrics::new();
    cluster(client, &metrics)
        .report(&resource(), &stalled())
        .await
        .unwrap();
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_status_is_not_reported_on_a_successor_of_the_same_name() {
    let (client, log) = server(moved_on("uid-of-another")).await;
    let metrics = Metrics::new();
    let status = UserServiceStatus::default();
    let answer = cluster(client, &metrics).report(&resource(), &status).await;
    assert!(answer.is_err());
    assert_eq!(
        log.lock().unwrap().len(),
        2,
        "patch and get, no second patch"
    );
}

#[tokio::test]
async fn a_status_under_endless_changes_is_given_up_and_tried_in_the_next_pass() {
    let (client, log) = server(|asked| match asked.body {
        Value::Null => answered("uid-of-users", "9"),
        _ => failure(409, "Conflict"),
    })
    .await;
    let metrics = Metrics::new();
    let status = UserServiceStatus::default();
    let answer = cluster(client, &metrics).report(&resource(), &status).await;
    assert!(answer.is_err());
    assert_eq!(log.lock().unwrap().len(), 7);
}
