//! A resource that is being deleted and whose topics go with it.

use operator_api::{KafkaEvents, ReclaimPolicy, TopicName, TopicOverride, UserService};
use operator_core::{
    ChildKind, Removal, SeenTopics, TopicChange, World, explain, in_use, removal, validate,
};
use serde_json::json;

use super::{at, condition, planned, settled_connected};

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

fn kafka(resource: &mut UserService) -> &mut KafkaEvents {
    let events = resource.spec.events.as_mut().unwrap();
    events.kafka.as_mut().unwrap()
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
    assert!(
        first.deletes[0].foreground,
        "it is there until its pods are gone"
    );
    assert_eq!((first.topics.len(), first.release), (0, false));
    assert!(first.requeue.is_some());
    super::deployment(&mut world)["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let second = removal(&world, &resource, &at(100));
    assert_eq!((second.deletes.len(), second.topics.len()), (0, 0));
    assert!(!second.release && second.requeue.is_some());
    world.live.remove(&(ChildKind::Deployment, "users".into()));
    assert_eq!(removal(&world, &resource, &at(100)).topics.len(), 6);
}

#[test]
fn created_topics_are_deleted_and_then_the_resource_is_let_go() {
    let (resource, mut world) = leaving();
    let first = removal(&world, &resource, &at(100));
    assert_eq!(deleted(&first).len(), 6);
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
    assert_eq!(deleted(&removal).len(), 5);
}

#[test]
fn topics_that_another_resource_describes_stay_and_hold_nobody() {
    let (resource, mut world) = leaving();
    let mut other = super::connected();
    other.metadata.namespace = Some("team-b".into());
    let mut gone = other.clone();
    gone.metadata.deletion_timestamp = Some(at(100));
    let mut elsewhere = other.clone();
    kafka(&mut elsewhere).bootstrap_servers = vec!["other:9092".into()];
    world.in_use = in_use(&resource, [&resource, &gone, &elsewhere]);
    assert_eq!(deleted(&removal(&world, &resource, &at(100))).len(), 6);

    world.in_use = in_use(&resource, [&resource, &other]);
    assert_eq!(world.in_use["user.created"], "team-b/users");
    assert!(removal(&world, &resource, &at(100)).release);
    world.topics = SeenTopics::NotLooked;
    assert!(removal(&world, &resource, &at(100)).release);
}

#[test]
fn a_topic_of_a_former_prefix_that_another_resource_describes_stays() {
    let (mut resource, mut world) = leaving();
    kafka(&mut resource).topic_prefix = Some("new.".into());
    let mut other = super::connected();
    other.metadata.name = Some("others".into());
    world.in_use = in_use(&resource, [&other]);
    assert!(removal(&world, &resource, &at(100)).release);
}

#[test]
fn the_way_to_plaintext_brokers_asks_for_no_secret() {
    let (resource, _) = leaving();
    let validated = validate(&resource, &super::release()).unwrap();
    assert!(validated.has_kafka_secret(&[].into()));

    let mut protected = resource;
    let spec = kafka(&mut protected);
    spec.security_protocol = operator_api::SecurityProtocol::SaslSsl;
    spec.credentials = Some(operator_api::SecretReference {
        secret: "users-kafka".into(),
    });
    let validated = validate(&protected, &super::release()).unwrap();
    assert!(!validated.has_kafka_secret(&[].into()));
    let keys = ["username", "password"].map(|key| (key.to_owned(), "digest".to_owned()));
    assert!(validated.has_kafka_secret(&[("users-kafka".into(), keys.into())].into()));
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

/// [`leaving`], with a password for Kafka that is not there any more.
fn leaving_without_credentials() -> (UserService, World) {
    let (mut resource, mut world) = leaving();
    let spec = kafka(&mut resource);
    spec.security_protocol = operator_api::SecurityProtocol::SaslSsl;
    spec.credentials = Some(operator_api::SecretReference {
        secret: "users-kafka".into(),
    });
    world.topics = SeenTopics::NotLooked;
    (resource, world)
}

#[test]
fn a_secret_that_is_gone_holds_nobody_and_the_topics_left_behind_are_named() {
    let (resource, mut world) = leaving_without_credentials();
    let without = removal(&world, &resource, &at(100));
    assert!(without.release);
    let told = without.left_behind.unwrap();
    assert!(told.contains("Secret users-kafka"), "{told}");
    assert!(told.contains("user.created, user.created.dlq"), "{told}");

    world.secrets.insert("users-kafka".into(), [].into());
    let held = removal(&world, &resource, &at(100));
    assert!(
        !held.release,
        "a key may be added to a Secret that is there"
    );
    assert_eq!(held.left_behind, None);
}

#[test]
fn a_namespace_that_is_being_deleted_is_held_by_no_kafka() {
    let (resource, mut world) = leaving();
    world.is_terminating = true;
    let deleting = removal(&world, &resource, &at(100));
    assert_eq!(deleted(&deleting).len(), 6, "what can be deleted is");
    assert!(!deleting.release);

    if let SeenTopics::Found { refused, .. } = &mut world.topics {
        refused.insert("user.created".into(), "not authorized".into());
    }
    let refused = removal(&world, &resource, &at(100));
    assert!(refused.release && refused.topics.is_empty());
    let told = refused.left_behind.unwrap();
    assert!(told.contains("not authorized"), "{told}");

    world.topics = SeenTopics::Unreachable("connection refused".into());
    let without = removal(&world, &resource, &at(100));
    assert!(without.release);
    let told = without.left_behind.unwrap();
    assert!(told.contains("user.deleted.dlq"), "{told}");
}

fn override_of(name: TopicName, reclaim_policy: ReclaimPolicy) -> Vec<TopicOverride> {
    vec![TopicOverride {
        name,
        reclaim_policy,
    }]
}

#[test]
fn each_topic_can_be_named_to_go_alone_and_the_finalizer_is_there_while_any_is_to_go() {
    let (mut resource, world) = settled_connected();
    resource.metadata.finalizers = Some(vec!["usersvc.dev/topics".into()]);
    let described = explain(&resource, &super::release()).unwrap().topics;
    assert_eq!(described.len(), 6);
    let mut overrides = Vec::new();
    for topic in described {
        let one = json!({"name": topic.name, "reclaimPolicy": "Delete"});
        let one: TopicOverride = serde_json::from_value(one).unwrap();
        kafka(&mut resource).topics.overrides = vec![one.clone()];
        let explained = explain(&resource, &super::release()).unwrap().topics;
        let going = explained.iter().filter(|topic| topic.deleted_with_resource);
        let going: Vec<&str> = going.map(|topic| topic.name.as_str()).collect();
        assert_eq!(going, [topic.name]);
        assert_eq!(planned(&world, &resource).finalizer, None, "{one:?}");
        overrides.push(TopicOverride {
            reclaim_policy: ReclaimPolicy::Retain,
            ..one
        });
    }
    let topics = &mut kafka(&mut resource).topics;
    topics.reclaim_policy = ReclaimPolicy::Delete;
    topics.overrides = overrides;
    assert_eq!(planned(&world, &resource).finalizer, Some(false));
}

#[test]
fn of_topics_that_go_the_one_that_is_to_stay_stays_and_of_those_that_stay_the_one_to_go_goes() {
    let (mut resource, world) = leaving();
    kafka(&mut resource).topics.overrides =
        override_of(TopicName::CreatedDeadLetters, ReclaimPolicy::Retain);
    let going = removal(&world, &resource, &at(100));
    assert_eq!(
        deleted(&going),
        [
            "user.created",
            "user.deleted",
            "user.deleted.dlq",
            "user.updated",
            "user.updated.dlq"
        ]
    );

    let spec = &mut kafka(&mut resource).topics;
    spec.reclaim_policy = ReclaimPolicy::Retain;
    spec.overrides = override_of(TopicName::Updated, ReclaimPolicy::Delete);
    let going = removal(&world, &resource, &at(100));
    assert_eq!(deleted(&going), ["user.updated"]);
}

#[test]
fn a_topic_of_a_former_prefix_that_is_to_stay_stays() {
    let (mut resource, mut world) = leaving();
    let topics = &mut resource.status.as_mut().unwrap().topics;
    topics.retain(|topic| topic.name == "user.created" || topic.name == "user.created.dlq");
    for topic in topics.iter_mut() {
        topic.name = format!("old.{}", topic.name);
    }
    let SeenTopics::Found { topics, .. } = &mut world.topics else {
        panic!()
    };
    for name in ["user.created", "user.created.dlq"] {
        let live = topics.remove(name).unwrap();
        topics.insert(format!("old.{name}"), live);
    }
    kafka(&mut resource).topics.overrides = override_of(TopicName::Created, ReclaimPolicy::Retain);
    let going = removal(&world, &resource, &at(100));
    assert_eq!(deleted(&going), ["old.user.created.dlq"]);
}

#[test]
fn topics_that_stay_anyway_are_not_waited_for_and_not_told_of_as_left_behind() {
    let (mut resource, mut world) = leaving();
    world.topics = SeenTopics::Unreachable("connection refused".into());
    world.is_terminating = true;
    let spec = &mut kafka(&mut resource).topics;
    spec.reclaim_policy = ReclaimPolicy::Retain;
    spec.overrides = override_of(TopicName::Deleted, ReclaimPolicy::Delete);
    let told = removal(&world, &resource, &at(100)).left_behind.unwrap();
    assert!(told.ends_with(": user.deleted"), "{told}");
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
