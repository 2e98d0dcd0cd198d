//! Passes that are about topics.

use krafka::testing::FakeBroker;
use serde_json::json;

use super::{
    tests::{cluster, context, context_of, nothing_there, resource, taken},
    *,
};
use crate::{testing::server, watching::Children};

#[tokio::test]
async fn a_dead_kafka_takes_half_of_the_passes_at_most_and_the_others_do_not_wait_for_it() {
    let (context, _log) = context(2).await;
    let cluster = cluster(&context, &Children::default());
    let resource = resource();
    let first = look(&cluster, &resource, &context, &context.release)
        .await
        .unwrap();
    assert!(
        matches!(
            first.world.topics,
            operator_core::SeenTopics::Unreachable(_)
        ),
        "{:?}",
        first.world.topics
    );
    assert_eq!(first.busy, None);
    let second = look(&cluster, &resource, &context, &context.release)
        .await
        .unwrap();
    assert_eq!(second.world.topics, operator_core::SeenTopics::NotLooked);
    assert_eq!(second.busy, Some(Busy::Cluster), "it is looked at again");
    drop(first);
    let third = look(&cluster, &resource, &context, &context.release).await;
    assert_eq!(third.unwrap().busy, None);
}

#[tokio::test]
async fn who_finds_no_permit_since_others_hold_them_has_neither_failed_nor_succeeded() {
    let (client, _log) = server(taken).await;
    let context = context_of(client, 8);
    let dead = |name: &str| context.kafka.take(name).unwrap();
    let held = [
        dead("a:9092"),
        dead("a:9092"),
        dead("b:9092"),
        dead("b:9092"),
    ];
    let cluster = cluster(&context, &Children::default());
    let (resource, leaving) = (resource(), leaving());
    for has_failed in [false, true] {
        if has_failed {
            context.backoff.next("team-a/users");
        }
        let recheck = Action::requeue(backoff::recheck("team-a/users"));
        let kept = keep(&cluster, &resource, &context, "team-a/users").await;
        assert_eq!(kept.unwrap(), recheck);
        let removed = remove(&cluster, &leaving, &context, "team-a/users").await;
        assert_eq!(removed.unwrap(), recheck);
        assert_eq!(context.backoff.has_failed("team-a/users"), has_failed);
    }
    drop(held);
}

#[tokio::test]
async fn whose_own_kafka_is_dead_and_takes_all_that_one_may_is_looked_at_later_each_time() {
    let (client, _log) = server(taken).await;
    let context = context_of(client, 8);
    let own = "127.0.0.1:1";
    context.kafka.take(own).unwrap().answered(false);
    let _held = [(); 3].map(|()| context.kafka.take(own).unwrap());
    let cluster = cluster(&context, &Children::default());
    let resource = resource();
    let looked = look(&cluster, &resource, &context, &context.release).await;
    assert_eq!(looked.unwrap().busy, Some(Busy::Cluster));
    keep(&cluster, &resource, &context, "team-a/users")
        .await
        .unwrap();
    assert!(context.backoff.has_failed("team-a/users"));
}

#[tokio::test]
async fn topics_are_not_changed_by_a_claim_to_lead_that_may_end_before() {
    let broker = FakeBroker::start().await.unwrap();
    let (context, _log) = context(2).await;
    let mut resource = resource();
    let events = resource.spec.events.as_mut().unwrap();
    events.kafka.as_mut().unwrap().bootstrap_servers = vec![broker.bootstrap_servers()];
    // Enough for the API server.
    let left = LONGEST_WRITE.checked_sub(Duration::from_secs(1)).unwrap();
    context.claim.extend(tokio::time::Instant::now() + left);
    let cluster = cluster(&context, &Children::default());
    let kept = keep(&cluster, &resource, &context, "team-a/users").await;
    assert!(matches!(kept, Err(Error::NotLeading(_))), "{kept:?}");
    assert_eq!(broker.topic_id("user.created"), None);
}

/// A resource that is being deleted with its topics, whose Kafka is not there.
pub(super) fn leaving() -> UserService {
    let mut leaving = serde_json::to_value(resource()).unwrap();
    leaving["spec"]["events"]["kafka"]["topics"] = json!({"reclaimPolicy": "Delete"});
    leaving["status"] = json!({"topics": [{"name": "user.created", "id": "1"}]});
    leaving["metadata"]["finalizers"] = json!([operator_api::TOPICS_FINALIZER]);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    serde_json::from_value(leaving).unwrap()
}

/// What is written for a resource that leaves, with its namespace as given: paths without what
/// follows the name of a resource, and bodies.
async fn written_for(
    leaving: &UserService,
    namespace: serde_json::Value,
) -> Vec<(String, serde_json::Value)> {
    let (client, log) = server(move |asked| {
        if asked.path == "/api/v1/namespaces/team-a" {
            return (200, json!({"metadata": namespace}));
        }
        nothing_there(&asked.method, &asked.path)
    })
    .await;
    let context = context_of(client, 2);
    let cluster = cluster(&context, &Children::default());
    context.backoff.next("team-a/users");
    remove(&cluster, leaving, &context, "team-a/users")
        .await
        .unwrap();
    let log = log.lock().unwrap();
    let written: Vec<_> = log
        .iter()
        .filter(|asked| asked.method != http::Method::GET)
        .map(|asked| {
            let path = asked.path.split('?').next().unwrap_or_default();
            (path.to_owned(), asked.body.clone())
        })
        .collect();
    let is_released = written.iter().any(|(path, _)| path.ends_with("/users"));
    let is_remembered = context.backoff.has_failed("team-a/users");
    assert_eq!(is_remembered, !is_released, "{written:?}");
    written
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_told_of_the_topics_left_behind_and_goes() {
    let going = json!({"uid": "uid-of-team-a", "deletionTimestamp": "2026-01-01T00:00:00Z"});
    let written = written_for(&leaving(), going).await;
    let [(told, event), (released, patch)] = written.as_slice() else {
        panic!("{written:?}");
    };
    assert_eq!(told, "/apis/events.k8s.io/v1/namespaces/default/events");
    assert_eq!(event["reason"], "TopicsLeftBehind");
    assert_eq!(event["regarding"]["uid"], "uid-of-team-a");
    assert_eq!(event["related"]["name"], "users");
    let note = event["note"].as_str().unwrap();
    assert!(note.ends_with(": user.created"), "{note}");
    assert!(released.ends_with("/userservices/users"), "{released}");
    assert_eq!(patch["metadata"]["finalizers"], json!([]));
}

#[tokio::test]
async fn a_secret_that_is_gone_is_not_waited_for_and_the_resource_is_told_of_the_topics_left_behind()
 {
    let mut leaving = leaving();
    let events = leaving.spec.events.as_mut().unwrap();
    let kafka = events.kafka.as_mut().unwrap();
    kafka.credentials = serde_json::from_value(json!({"secret": "gone"})).unwrap();
    let written = written_for(&leaving, json!({})).await;
    let [(told, event), (released, patch)] = written.as_slice() else {
        panic!("{written:?}");
    };
    assert_eq!(told, "/apis/events.k8s.io/v1/namespaces/team-a/events");
    assert_eq!(event["reason"], "TopicsLeftBehind");
    assert_eq!(event["regarding"]["uid"], "uid-of-users");
    let note = event["note"].as_str().unwrap();
    assert!(note.contains("Secret gone"), "{note}");
    assert!(released.ends_with("/userservices/users"), "{released}");
    assert_eq!(patch["metadata"]["finalizers"], json!([]));
}

#[tokio::test]
async fn a_namespace_that_stays_is_waited_in_for_kafka() {
    let written = written_for(&leaving(), json!({})).await;
    let paths: Vec<&str> = written.iter().map(|(path, _)| path.as_str()).collect();
    assert!(
        paths[0].ends_with("/userservices/users/status"),
        "{paths:?}"
    );
    assert!(
        !paths.iter().any(|path| path.ends_with("/users")),
        "{paths:?}"
    );
}
