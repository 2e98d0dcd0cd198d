//! Topics in Kafka.

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use operator_api::{GrowPartitions, ReclaimPolicy, TopicsSpec, UserService};
use operator_core::{ChildKind, Plan, SeenTopics, Topic, TopicChange, World, claims};

use super::{
    carry_out, condition, connected, kinds, planned, reachable, ready_reason, settled_connected,
};

const ALL: [&str; 6] = [
    "user.created",
    "user.created.dlq",
    "user.updated",
    "user.updated.dlq",
    "user.deleted",
    "user.deleted.dlq",
];

fn spec(resource: &mut UserService) -> &mut TopicsSpec {
    &mut resource
        .spec
        .events
        .as_mut()
        .unwrap()
        .kafka
        .as_mut()
        .unwrap()
        .topics
}

fn found(world: &mut World) -> &mut BTreeMap<String, Topic> {
    match &mut world.topics {
        SeenTopics::Found { topics, .. } => topics,
        other => panic!("{other:?}"),
    }
}

fn topics_ready(plan: &Plan) -> (String, String, String) {
    let condition = condition(plan.status.as_ref().unwrap(), "TopicsReady").unwrap();
    (
        condition.status.clone(),
        condition.reason.clone(),
        condition.message.clone(),
    )
}

#[test]
fn missing_topics_are_created_before_any_pod_and_remembered_by_their_identifier() {
    let (mut resource, mut world) = (connected(), reachable());
    let plan = planned(&world, &resource);
    let names: Vec<&str> = plan
        .topics
        .iter()
        .map(|change| match change {
            TopicChange::Create { topic, .. } => topic.name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ALL);
    assert!(!kinds(&plan).contains(&ChildKind::Deployment));

    carry_out(&mut world, &mut resource);
    let status = resource.status.as_ref().unwrap();
    let remembered: Vec<(&str, &str)> = status
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.id.as_str()))
        .collect();
    assert_eq!(remembered[0], ("user.created", "id-of-user.created"));
    assert_eq!(remembered.len(), ALL.len());
    assert_eq!(
        condition(status, "TopicsReady").unwrap().reason,
        "TopicsInPlace"
    );
}

#[test]
fn topics_get_what_the_spec_says_and_dead_letters_one_partition_and_time() {
    let plan = planned(&reachable(), &connected());
    let TopicChange::Create { topic, configs } = &plan.topics[0] else {
        panic!()
    };
    assert_eq!((topic.partitions, topic.replication_factor), (6, 3));
    let own: BTreeMap<&str, &str> = configs
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let week = ("retention.ms", "604800000");
    assert_eq!(
        own,
        [
            ("cleanup.policy", "delete"),
            ("min.insync.replicas", "2"),
            week
        ]
        .into()
    );
    let TopicChange::Create { topic, configs } = &plan.topics[1] else {
        panic!()
    };
    assert_eq!(topic.partitions, 1);
    assert_eq!(configs["retention.ms"], "2592000000");
}

#[test]
fn at_rest_no_topic_is_changed() {
    let (resource, world) = settled_connected();
    assert_eq!(planned(&world, &resource), Plan::default());
}

#[test]
fn only_the_configuration_that_differs_is_set() {
    let (resource, mut world) = settled_connected();
    found(&mut world)
        .get_mut("user.created")
        .unwrap()
        .configs
        .insert("retention.ms".into(), "1".into());
    let expected = TopicChange::Configure {
        name: "user.created".into(),
        configs: [("retention.ms".into(), "604800000".into())].into(),
    };
    assert_eq!(planned(&world, &resource).topics, [expected]);
}

#[test]
fn partitions_grow_only_when_the_spec_says_that_keys_may_move() {
    let (mut resource, world) = settled_connected();
    spec(&mut resource).partitions = 12;
    let plan = planned(&world, &resource);
    assert_eq!(plan.topics, []);
    let (status, reason, message) = topics_ready(&plan);
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "GrowthNotAcknowledged")
    );
    assert!(message.contains("growPartitions: RemapKeys"), "{message}");

    spec(&mut resource).grow_partitions = GrowPartitions::RemapKeys;
    let grow = |name: &str| TopicChange::Grow {
        name: name.into(),
        partitions: 12,
    };
    let plan = planned(&world, &resource);
    assert_eq!(
        plan.topics,
        [
            grow("user.created"),
            grow("user.updated"),
            grow("user.deleted")
        ],
        "dead letters have one"
    );
}

#[test]
fn fewer_partitions_and_other_replication_are_reported_and_pods_are_kept_as_described() {
    let (mut resource, mut world) = settled_connected();
    spec(&mut resource).partitions = 3;
    spec(&mut resource).replication_factor = 5;
    resource.spec.replicas = 5;
    let plan = planned(&world, &resource);
    assert_eq!(plan.topics, []);
    let (_, reason, message) = topics_ready(&plan);
    assert_eq!(reason, "ChangeNotSupported");
    assert!(
        message.contains("6 partitions") && message.contains("replication factor 3, not 5"),
        "{message}"
    );
    assert_eq!(
        kinds(&carry_out(&mut world, &mut resource)),
        [ChildKind::Deployment]
    );
}

#[test]
fn a_topic_with_fewer_copies_than_must_be_in_sync_is_not_made_unwritable() {
    let (resource, mut world) = settled_connected();
    let live = found(&mut world).get_mut("user.created").unwrap();
    live.replication_factor = 1;
    live.configs
        .insert("min.insync.replicas".into(), "1".into());
    assert_eq!(planned(&world, &resource).topics, []);
}

#[test]
fn a_topic_that_was_there_before_is_used_and_not_remembered_as_created() {
    let (mut resource, mut world) = (connected(), reachable());
    let there = Topic {
        id: "theirs".into(),
        partitions: 6,
        replication_factor: 3,
        ..Topic::default()
    };
    found(&mut world).insert("user.created".into(), there);
    carry_out(&mut world, &mut resource);
    let created = &resource.status.as_ref().unwrap().topics;
    assert!(
        created.iter().all(|topic| topic.name != "user.created"),
        "{created:?}"
    );
    assert_eq!(created.len(), 5);
}

#[test]
fn the_configuration_of_a_topic_that_somebody_else_created_is_reported_and_left_alone() {
    let (mut resource, mut world) = settled_connected();
    let live = found(&mut world).get_mut("user.created").unwrap();
    live.id = "theirs".into();
    live.configs.insert("retention.ms".into(), "1".into());
    live.configs.remove("cleanup.policy");
    let plan = planned(&world, &resource);
    assert_eq!(plan.topics, []);
    let (status, reason, message) = topics_ready(&plan);
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "ChangeNotSupported")
    );
    assert!(
        message.contains("user.created")
            && message.contains("retention.ms=1, not 604800000")
            && message.contains("cleanup.policy=unset, not delete"),
        "{message}"
    );
    carry_out(&mut world, &mut resource);
    assert_eq!(ready_reason(&resource), "Available", "pods go on");
    assert_eq!(planned(&world, &resource), Plan::default());
}

#[test]
fn a_created_topic_that_a_broker_has_not_heard_of_is_not_forgotten() {
    let (mut resource, mut world) = settled_connected();
    let before = resource.status.as_ref().unwrap().topics.clone();
    let live = found(&mut world).remove("user.created").unwrap();
    let plan = planned(&world, &resource);
    assert_eq!(plan.status.unwrap().topics, before);

    let anew = Topic {
        id: "anew".into(),
        ..live
    };
    found(&mut world).insert("user.created".into(), anew);
    if let SeenTopics::Found { created, .. } = &mut world.topics {
        created.insert("user.created".into());
    }
    carry_out(&mut world, &mut resource);
    let topics = &resource.status.as_ref().unwrap().topics;
    let ids: Vec<&str> = topics
        .iter()
        .filter(|topic| topic.name == "user.created")
        .map(|topic| topic.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["anew"],
        "made anew, it takes the place of the old one"
    );
}

#[test]
fn kafka_away_stops_the_first_pods_but_none_that_run() {
    let away = || SeenTopics::Unreachable("connection refused".into());
    let mut world = World {
        topics: away(),
        ..reachable()
    };
    let plan = planned(&world, &connected());
    assert!(!kinds(&plan).contains(&ChildKind::Deployment));
    assert!(plan.troubled);
    let (_, reason, message) = topics_ready(&plan);
    assert_eq!(reason, "KafkaUnreachable");
    assert!(
        message.starts_with("spec.events.kafka.bootstrapServers: "),
        "{message}"
    );
    assert!(message.contains("connection refused"), "{message}");

    let (mut resource, settled) = settled_connected();
    world = World {
        topics: away(),
        ..settled
    };
    resource.spec.replicas = 5;
    assert_eq!(
        kinds(&carry_out(&mut world, &mut resource)),
        [ChildKind::Deployment]
    );
    assert_ne!(ready_reason(&resource), "KafkaUnreachable");
    assert_eq!(
        resource.status.as_ref().unwrap().topics.len(),
        ALL.len(),
        "what was created is not forgotten"
    );
}

#[test]
fn what_kafka_refuses_is_told_in_its_words_and_tried_again() {
    let mut world = reachable();
    if let SeenTopics::Found { refused, .. } = &mut world.topics {
        refused.insert(
            "user.created".into(),
            "Replication factor: 3 larger than available brokers: 1".into(),
        );
    }
    let plan = planned(&world, &connected());
    assert!(plan.troubled);
    let (_, reason, message) = topics_ready(&plan);
    assert_eq!(reason, "TopicRefused");
    assert!(
        message.contains("larger than available brokers"),
        "{message}"
    );
}

#[test]
fn a_topic_of_an_older_resource_is_a_conflict_and_another_prefix_or_cluster_is_none() {
    let created = |second| Some(Time(Timestamp::from_second(second).unwrap()));
    let (mut older, mut younger) = (connected(), connected());
    older.metadata.namespace = Some("team-b".into());
    older.metadata.creation_timestamp = created(1);
    younger.metadata.creation_timestamp = created(2);
    assert_eq!(
        claims(&older, [&older, &younger]),
        BTreeMap::new(),
        "the oldest has them"
    );
    let claimed = claims(&younger, [&older, &younger]);
    assert_eq!(claimed.len(), ALL.len());

    let mut world = World {
        claims: claimed,
        ..reachable()
    };
    let plan = carry_out(&mut world, &mut younger);
    assert_eq!(plan.topics, []);
    assert!(!kinds(&plan).contains(&ChildKind::Deployment));
    assert_eq!(ready_reason(&younger), "NameConflict");
    let (_, _, message) = topics_ready(&plan);
    assert!(
        message.contains("user.created by team-b/users"),
        "{message}"
    );
    assert!(
        plan.requeue.is_some(),
        "nothing tells when the other one goes"
    );

    let kafka = |resource: &mut UserService| resource.spec.events.take().unwrap().kafka.unwrap();
    let mut prefixed = connected();
    let mut spec = kafka(&mut prefixed);
    spec.topic_prefix = Some("b.".into());
    prefixed.spec.events = Some(operator_api::EventsSpec {
        stdout: None,
        kafka: Some(spec),
    });
    assert_eq!(claims(&prefixed, [&older]), BTreeMap::new());
    let mut elsewhere = connected();
    let mut spec = kafka(&mut elsewhere);
    spec.bootstrap_servers = vec!["other:9092".into()];
    elsewhere.spec.events = Some(operator_api::EventsSpec {
        stdout: None,
        kafka: Some(spec),
    });
    assert_eq!(claims(&elsewhere, [&older]), BTreeMap::new());
}

#[test]
fn the_finalizer_is_there_exactly_while_topics_are_to_go_with_the_resource() {
    let (mut resource, world) = settled_connected();
    spec(&mut resource).reclaim_policy = ReclaimPolicy::Delete;
    assert_eq!(planned(&world, &resource).finalizer, Some(true));
    resource.metadata.finalizers = Some(vec!["usersvc.dev/topics".into()]);
    assert_eq!(planned(&world, &resource).finalizer, None);
    spec(&mut resource).reclaim_policy = ReclaimPolicy::Retain;
    assert_eq!(planned(&world, &resource).finalizer, Some(false));
}

#[test]
fn what_was_created_is_not_forgotten_over_a_child_that_is_refused() {
    let (resource, mut world) = (connected(), reachable());
    let changes = planned(&world, &resource).topics;
    super::add_topics(&mut world, &changes);
    let status = operator_core::refused(&world, &resource, "quota".into(), &super::at(1)).unwrap();
    assert_eq!(status.topics.len(), ALL.len());
}

#[test]
fn a_change_that_does_not_show_is_made_again_later_each_time() {
    let plan = planned(&reachable(), &connected());
    assert!(!plan.topics.is_empty() && plan.troubled);
}
