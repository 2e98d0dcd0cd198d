//! Passes that begin before all places are known.

use krafka::testing::FakeBroker;
use kube::runtime::reflector;
use tokio::sync::watch;

use super::{
    tests::{cluster, context_of, plain, resource, taken},
    topics_tests::leaving,
    *,
};
use crate::{
    testing::{Log, server},
    watching::{Children, Place},
};

/// What passes need while another place is yet to be known, and the end of that.
async fn context_of_two_places() -> (Context, watch::Sender<bool>, Log) {
    let (client, log) = server(taken).await;
    let mut context = context_of(client, 2);
    let (is_known, ready) = watch::channel(false);
    let other = Place::of(["team-b".to_owned()].into()).remove(0);
    let store = reflector::store().0;
    context.known.add(other, store, Children::default(), ready);
    let lead = tokio::time::Instant::now() + Duration::from_secs(60);
    context.claim.extend(lead);
    (context, is_known, log)
}

#[tokio::test]
async fn no_topic_is_changed_before_every_place_is_known() {
    let broker = FakeBroker::start().await.unwrap();
    let (context, is_known, _log) = context_of_two_places().await;
    let mut resource = resource();
    let events = resource.spec.events.as_mut().unwrap();
    events.kafka.as_mut().unwrap().bootstrap_servers = vec![broker.bootstrap_servers()];
    let cluster = cluster(&context, &Children::default());
    let pass = || keep(&cluster, &resource, &context, "team-a/users");
    pass().await.unwrap();
    assert_eq!(broker.topic_id("user.created"), None);
    is_known.send_replace(true);
    pass().await.unwrap();
    assert!(broker.topic_id("user.created").is_some());
}

#[tokio::test]
async fn who_leaves_with_its_topics_waits_until_every_place_is_known() {
    let (context, is_known, log) = context_of_two_places().await;
    let cluster = cluster(&context, &Children::default());
    let leaving = leaving();
    let written = async || {
        remove(&cluster, &leaving, &context, "team-a/users")
            .await
            .unwrap();
        let asked = std::mem::take(&mut *log.lock().unwrap());
        let mut asked = asked.into_iter();
        asked.any(|asked| asked.method != http::Method::GET)
    };
    assert!(!written().await);
    is_known.send_replace(true);
    assert!(written().await, "that Kafka cannot be reached");
}

#[tokio::test]
async fn nobody_is_moved_to_a_newer_operator_before_every_place_is_known() {
    let (context, is_known, _log) = context_of_two_places().await;
    let mut outdated = serde_json::to_value(plain("users").0.unwrap()).unwrap();
    outdated["spec"]["upgradePolicy"] = "Automatic".into();
    outdated["status"] = serde_json::json!({"renderedBy": "older"});
    let outdated: UserService = serde_json::from_value(outdated).unwrap();
    assert!(!release_for(&outdated, &context).renews);
    is_known.send_replace(true);
    assert!(release_for(&outdated, &context).renews);
}
