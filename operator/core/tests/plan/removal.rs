//! A resource that is being deleted and whose topics go with it.

use operator_api::{ReclaimPolicy, UserService};
use operator_core::{ChildKind, Removal, SeenTopics, TopicChange, World, removal};
use serde_json::json;

use super::{at, condition, settled_connected};

/// The resource on its way out, with its pods gone already.
fn leaving() -> (UserService, World) {
    let (mut resource, mut world) = settled_connected();
    let kafka = resource
        .spec
        .events
        .as_mut()
        .unwrap()
        .kafka
        .as_mut()
        .unwrap();
    kafka.topics.reclaim_policy = ReclaimPolicy::Delete;
    resource.metadata.finalizers = Some(vec!["usersvc.dev/topics".into()]);
    resource.metadata.deletion_timestamp = Some(at(100));
    world.live.remove(&(ChildKind::Deployment, "users".into()));
    (resource, world)
}

fn deleted(removal: &Removal) -> Vec<&str> {
    removal
        .topics
        .iter()
        .map(|change| match change {
            TopicChange::Delete { name, .. } => name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_pods_go_before_the_topics_that_they_would_bring_back() {
    let (mut resource, mut world) = settled_connected();
    let (leaving, _) = leaving();
    resource.spec = leaving.spec;
    resource.metadata = leaving.metadata;
    let first = removal(&world, &resource, &at(100));
    assert_eq!(first.deletes[0].kind, ChildKind::Deployment);
    assert_eq!((first.topics.len(), first.release), (0, false));
    assert!(first.requeue.is_some());
    world.live.remove(&(ChildKind::Deployment, "users".into()));
    assert_eq!(removal(&world, &resource, &at(100)).topics.len(), 4);
}

#[test]
fn created_topics_are_deleted_and_then_the_resource_is_let_go() {
    let (resource, mut world) = leaving();
    let first = removal(&world, &resource, &at(100));
    assert_eq!(deleted(&first).len(), 4);
    assert!(!first.release);
    super::add_topics(&mut world, &first.topics);
    assert!(removal(&world, &resource, &at(100)).release);
}

#[test]
fn a_topic_of_the_same_name_that_somebody_made_anew_stays() {
    let (resource, mut world) = leaving();
    if let SeenTopics::Found { topics, .. } = &mut world.topics {
        topics.get_mut("user.created").unwrap().id = "another".into();
    }
    let removal = removal(&world, &resource, &at(100));
    assert!(!deleted(&removal).contains(&"user.created"));
    assert_eq!(deleted(&removal).len(), 3);
}

#[test]
fn kafka_away_holds_the_resource_and_says_how_to_let_it_go() {
    let (mut resource, mut world) = leaving();
    world.topics = SeenTopics::Unreachable("connection refused".into());
    let held = removal(&world, &resource, &at(100));
    assert!(!held.release && held.troubled);
    let status = held.status.unwrap();
    let ready = condition(&status, "Ready").unwrap();
    assert_eq!(ready.reason, "DeletingTopics");
    assert!(
        ready.message.contains("usersvc.dev/skip-topic-deletion"),
        "{}",
        ready.message
    );
    resource.status = Some(status);
    assert_eq!(
        removal(&world, &resource, &at(200)).status,
        None,
        "and is reported once"
    );

    let skip = json!({"usersvc.dev/skip-topic-deletion": "true"});
    resource.metadata.annotations = serde_json::from_value(skip).unwrap();
    assert!(removal(&world, &resource, &at(100)).release);
}

#[test]
fn retained_topics_do_not_hold_a_resource() {
    let (mut resource, world) = leaving();
    let kafka = resource
        .spec
        .events
        .as_mut()
        .unwrap()
        .kafka
        .as_mut()
        .unwrap();
    kafka.topics.reclaim_policy = ReclaimPolicy::Retain;
    let retained = removal(&world, &resource, &at(100));
    assert_eq!((retained.topics.len(), retained.release), (0, true));
    resource.metadata.finalizers = None;
    assert_eq!(
        removal(&world, &resource, &at(100)),
        Removal::default(),
        "without our finalizer nothing is done"
    );
}
