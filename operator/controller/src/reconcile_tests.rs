use serde_json::json;

use super::*;
use crate::testing::{Log, server};

/// A resource with events in a Kafka where nobody listens.
fn resource() -> UserService {
    let object = json!({
        "apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService",
        "metadata": {"name": "users", "namespace": "team-a", "uid": "uid-of-users"},
        "spec": {"events": {"kafka": {"bootstrapServers": ["127.0.0.1:1"]}}},
    });
    serde_json::from_value(object).unwrap()
}

/// An API server that has no object at all, and what a pass needs beside it.
async fn context(concurrency: u16) -> (Context, Log) {
    let (client, log) = server(|asked| {
        let name = asked
            .path
            .split('?')
            .next()
            .and_then(|path| path.rsplit('/').next());
        if name.is_some_and(|name| name.starts_with("users")) {
            return crate::testing::failure(404, "NotFound");
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": []});
        (200, list)
    })
    .await;
    let context = Context {
        client,
        resources: kube::runtime::reflector::store().0,
        release: Release {
            repository: "registry.example/user-service".into(),
            version: "1.2.3".into(),
        },
        metrics: Arc::new(Metrics::new()),
        backoff: Backoff::default(),
        claim: Claim::new(),
        kafka: kafka_permits(concurrency),
    };
    (context, log)
}

#[tokio::test]
async fn a_dead_kafka_takes_half_of_the_passes_at_most_and_the_others_do_not_wait_for_it() {
    let (context, _log) = context(2).await;
    let cluster = Cluster {
        client: context.client.clone(),
        metrics: &context.metrics,
        namespace: "team-a",
        name: "users",
    };
    let resource = resource();
    let first = look(&cluster, &resource, &context).await.unwrap();
    assert!(
        matches!(
            first.world.topics,
            operator_core::SeenTopics::Unreachable(_)
        ),
        "{:?}",
        first.world.topics
    );
    assert!(!first.is_busy);
    let second = look(&cluster, &resource, &context).await.unwrap();
    assert_eq!(second.world.topics, operator_core::SeenTopics::NotLooked);
    assert!(second.is_busy, "it is looked at again");
    drop(first);
    assert!(!look(&cluster, &resource, &context).await.unwrap().is_busy);
}

#[test]
fn one_pass_may_always_ask_a_kafka() {
    for (concurrency, permits) in [(1, 1), (2, 1), (8, 4)] {
        assert_eq!(kafka_permits(concurrency).available_permits(), permits);
    }
}
