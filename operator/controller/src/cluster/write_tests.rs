use super::*;
use crate::testing::{failure, server};

fn children() -> [Child; 2] {
    [ChildKind::ServiceAccount, ChildKind::ConfigMap].map(|kind| Child {
        kind,
        name: "users".into(),
        object: json!({"metadata": {"name": "users", "labels": {"a": "b"}}}),
    })
}

fn cluster(client: Client, metrics: &Metrics) -> Cluster<'_> {
    Cluster {
        client,
        metrics,
        children: Children::default(),
        namespace: "team-a",
        name: "users",
    }
}

/// A world that has the first of the [`children`].
fn world() -> World {
    let live = json!({"metadata": {"name": "users", "uid": "uid-of-live", "resourceVersion": "7"}});
    World {
        live: [((ChildKind::ServiceAccount, "users".into()), live)].into(),
        ..World::default()
    }
}

/// What the metadata of everything was that was written.
fn written(log: &crate::testing::Log) -> Vec<Value> {
    let log = log.lock().unwrap();
    log.iter()
        .map(|asked| asked.body["metadata"].clone())
        .collect()
}

#[tokio::test]
async fn replicas_are_handed_over_as_they_were_seen_or_not_at_all() {
    let (client, log) = server(|_| (200, json!({"metadata": {"name": "users"}}))).await;
    let metrics = Metrics::new();
    let cluster = cluster(client, &metrics);
    let [seen, _] = children();
    let plan = Plan {
        hand_over: Some(seen),
        ..Plan::default()
    };
    cluster.apply(&mut world(), &plan).await.unwrap();
    let only = json!({
        "name": "users", "labels": {"a": "b"}, "uid": "uid-of-live", "resourceVersion": "7",
    });
    assert_eq!(written(&log), [only]);
}

#[tokio::test]
async fn a_child_is_applied_to_the_object_that_was_seen_and_made_only_where_there_is_none() {
    let (client, log) = server(|_| (200, json!({"metadata": {"name": "users"}}))).await;
    let metrics = Metrics::new();
    let cluster = cluster(client, &metrics);
    let plan = Plan {
        writes: children().into(),
        ..Plan::default()
    };
    cluster.apply(&mut world(), &plan).await.unwrap();
    let labels = json!({"a": "b"});
    assert_eq!(
        written(&log),
        [
            json!({"name": "users", "labels": labels, "uid": "uid-of-live"}),
            json!({"name": "users", "labels": labels, "resourceVersion": "1"}),
        ]
    );
}

#[tokio::test]
async fn an_object_that_somebody_put_in_the_place_of_the_one_seen_is_a_race_and_no_refusal() {
    let (client, _log) = server(|_| {
        let (code, mut status) = failure(422, "Invalid");
        let message = "field is immutable";
        status["details"] = json!({"causes": [
            {"reason": "FieldValueInvalid", "message": message, "field": "metadata.uid"},
        ]});
        (code, status)
    })
    .await;
    let metrics = Metrics::new();
    let cluster = cluster(client, &metrics);
    let [seen, _] = children();
    let error = cluster
        .write(&seen, &mut world(), MANAGER)
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.refusal()), (Some(422), None));
}

/// A delete of what [`world`] has.
fn delete(foreground: bool) -> Delete {
    Delete {
        kind: ChildKind::ServiceAccount,
        name: "users".into(),
        uid: "uid-of-live".into(),
        resource_version: "7".into(),
        foreground,
    }
}

#[tokio::test]
async fn only_the_object_that_was_seen_is_deleted_and_in_no_later_state() {
    let (client, log) = server(|_| (200, json!({"metadata": {"name": "users"}}))).await;
    let metrics = Metrics::new();
    let cluster = cluster(client, &metrics);
    for foreground in [true, false] {
        assert!(cluster.delete(&delete(foreground)).await.unwrap());
    }
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 2);
    // What leaves in the foreground goes after all that it owns, such as pods.
    for (asked, policy) in log.iter().zip(["Foreground", "Background"]) {
        assert_eq!(asked.method, http::Method::DELETE);
        assert_eq!(asked.body["propagationPolicy"], policy);
        let seen = json!({"uid": "uid-of-live", "resourceVersion": "7"});
        assert_eq!(asked.body["preconditions"], seen);
    }
}

#[tokio::test]
async fn what_was_changed_before_its_delete_is_looked_at_again_and_what_is_gone_is_gone() {
    for (code, reason, is_done) in [(404, "NotFound", true), (409, "Conflict", false)] {
        let (client, _log) = server(move |_| failure(code, reason)).await;
        let metrics = Metrics::new();
        let deleted = cluster(client, &metrics).delete(&delete(false)).await;
        assert_eq!(deleted.unwrap(), is_done, "{reason}");
        let told = metrics.encode().unwrap();
        assert!(!told.contains(r#"verb="delete""#), "{told}");
    }
}
