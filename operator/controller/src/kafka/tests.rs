use std::future;

use krafka::testing::FakeBroker;
use operator_core::DesiredTopic;
use user_settings::Kafka;

use super::*;
use crate::leadership::Claim;

const BOUND: Duration = crate::leadership::LONGEST_WRITE;

fn access(servers: &str) -> KafkaAccess {
    KafkaAccess {
        kafka: Kafka {
            bootstrap_servers: servers.to_owned(),
            ..Kafka::default()
        },
        credentials: None,
        topics: BTreeSet::from(["user.created".to_owned()]),
    }
}

fn create(name: &str) -> TopicChange {
    TopicChange::Create {
        topic: DesiredTopic {
            name: name.to_owned(),
            partitions: 6,
            replication_factor: 1,
            min_in_sync_replicas: 1,
            retention: Duration::from_secs(60),
        },
        configs: BTreeMap::new(),
    }
}

/// A write that has this long.
fn write(bound: Duration) -> Write {
    let claim = Claim::new();
    claim.extend(tokio::time::Instant::now() + Duration::from_secs(3600));
    claim.begin(bound).unwrap()
}

#[tokio::test]
async fn a_cluster_that_refuses_connections_is_reported_as_unreachable() {
    let (seen, session) = look(access("127.0.0.1:1"), &SecretData::default()).await;
    assert!(
        matches!(&seen, SeenTopics::Unreachable(why) if why.contains("refused")),
        "{seen:?}"
    );
    assert!(session.is_none());
}

#[tokio::test]
async fn a_cluster_that_says_nothing_takes_a_bounded_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let start = std::time::Instant::now();
    let (seen, _) = look(access(&address), &SecretData::default()).await;
    assert!(matches!(seen, SeenTopics::Unreachable(_)), "{seen:?}");
    assert!(start.elapsed() < LOOK * 2, "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_is_created_is_told_and_what_exists_is_not_claimed() {
    let broker = FakeBroker::start().await.unwrap();
    broker.create_topic("user.updated", 3);
    let admin = access::connect(&access(&broker.bootstrap_servers()), &SecretData::default())
        .await
        .unwrap();
    let mut made = Made::default();
    made.make(&admin, &[create("user.created"), create("user.updated")])
        .await;
    assert_eq!(made.created, BTreeSet::from(["user.created".to_owned()]));
    assert_eq!(made.refused, BTreeMap::new());
    assert!(broker.topic_id("user.created").is_some());

    let delete = TopicChange::Delete {
        name: "user.created".to_owned(),
        id: String::new(),
    };
    made.make(&admin, &[delete]).await;
    assert_eq!(made.refused, BTreeMap::new());
    assert_eq!(broker.topic_id("user.created"), None);
}

#[tokio::test]
async fn a_change_that_outlasts_the_claim_to_lead_is_not_made() {
    let broker = FakeBroker::start().await.unwrap();
    let access = access(&broker.bootstrap_servers());
    let (_, session) = look(access, &SecretData::default()).await;
    let changes = [create("user.created")];
    let late = write(Duration::ZERO);
    let seen = session.unwrap().change(&changes, late).await;
    assert_eq!(seen, found(BTreeMap::new()), "and it is looked again");
    assert_eq!(broker.topic_id("user.created"), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_created_is_looked_for_until_it_is_found_whatever_brokers_say_meanwhile() {
    let topic = Topic {
        id: "id".to_owned(),
        partitions: 6,
        replication_factor: 1,
        configs: BTreeMap::new(),
    };
    let there = BTreeMap::from([("user.created".to_owned(), topic)]);
    let away = || Err(Error::Timeout(REQUEST));
    let created = BTreeSet::from(["user.created".to_owned()]);
    let mut answers = [away(), Ok(BTreeMap::new()), away(), Ok(there.clone())].into_iter();
    let seen = with_all(&created, || future::ready(answers.next().unwrap())).await;
    assert_eq!(seen.unwrap(), there);
    let seen = with_all(&BTreeSet::new(), || future::ready(away())).await;
    assert!(matches!(seen, Err(Error::Timeout(_))), "{seen:?}");
}

#[test]
fn the_protocol_decides_what_is_taken_from_the_secret() {
    use k8s_openapi::{ByteString, api::core::v1::Secret};
    use krafka::auth;
    use user_settings::{SaslMechanism, SecurityProtocol};

    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    let mut secrets = SecretData::default();
    let held = [("username", text("ada\n")), ("password", text("pass\n"))];
    let secret = Secret {
        data: Some(held.map(|(key, value)| (key.to_owned(), value)).into()),
        ..Secret::default()
    };
    secrets.insert("users-kafka".to_owned(), secret);
    let mut access = access("kafka:9092");
    access.credentials = Some("users-kafka".to_owned());

    access.kafka.security_protocol = SecurityProtocol::SaslSsl;
    access.kafka.sasl_mechanism = SaslMechanism::ScramSha256;
    let security = access::security(&access, &secrets).unwrap();
    assert_eq!(
        *security.security_protocol(),
        auth::SecurityProtocol::SaslSsl
    );
    assert_eq!(
        security.sasl_mechanism(),
        Some(&auth::SaslMechanism::ScramSha256)
    );
    let printed = format!("{security:?}");
    assert!(!printed.contains("pass\""), "{printed}");

    access.kafka.security_protocol = SecurityProtocol::Ssl;
    let security = access::security(&access, &secrets).unwrap();
    assert_eq!(*security.security_protocol(), auth::SecurityProtocol::Ssl);
    assert!(security.sasl_mechanism().is_none());
}

/// The fake broker knows no configuration, so this one asks a real cluster that has none of the
/// topics: `OPERATOR_TEST_KAFKA=host:port cargo test -p userservice-operator -- --ignored`.
#[tokio::test]
#[ignore = "needs a broker at OPERATOR_TEST_KAFKA"]
async fn a_real_cluster_comes_to_what_is_planned_and_stays_there() {
    use operator_api::CreatedTopic;
    use operator_core::plan_topics;

    let mut access = access(&std::env::var("OPERATOR_TEST_KAFKA").unwrap());
    let name = "user.created".to_owned();
    let mut wanted = DesiredTopic {
        name: name.clone(),
        partitions: 2,
        replication_factor: 1,
        min_in_sync_replicas: 1,
        retention: Duration::from_secs(3600),
    };
    access.topics.insert("user.updated".to_owned());
    let topics = |seen: &SeenTopics| match seen {
        SeenTopics::Found {
            topics, refused, ..
        } => {
            assert_eq!(refused, &BTreeMap::new());
            topics.clone()
        }
        other => panic!("{other:?}"),
    };
    let secrets = SecretData::default();
    let mut id = String::new();
    for round in 0..3_u32 {
        wanted.partitions += round;
        wanted.retention += Duration::from_secs(u64::from(round));
        let (seen, session) = look(access.clone(), &secrets).await;
        let session = session.unwrap();
        let ours = [CreatedTopic {
            name: name.clone(),
            id: id.clone(),
        }];
        let changes = plan_topics(std::slice::from_ref(&wanted), &topics(&seen), &ours, true);
        assert!(!changes.is_empty());
        let after = topics(&session.change(&changes, write(BOUND)).await);
        assert_eq!(after[&name].partitions, wanted.partitions);
        assert!(round == 0 || after[&name].id == id);
        id.clone_from(&after[&name].id);
        let ours = [CreatedTopic {
            name: name.clone(),
            id: id.clone(),
        }];
        let rest = plan_topics(std::slice::from_ref(&wanted), &after, &ours, true);
        assert_eq!(rest, [], "at rest nothing is planned");
    }
    assert_eq!(id.len(), 22, "{id}");

    let (_, session) = look(access.clone(), &secrets).await;
    let delete = TopicChange::Delete { name, id };
    let mut left = topics(&session.unwrap().change(&[delete], write(BOUND)).await);
    // A broker answers what it knew a moment ago; the operator looks again as well.
    let end = std::time::Instant::now() + BOUND;
    while !left.is_empty() && std::time::Instant::now() < end {
        left = topics(&look(access.clone(), &secrets).await.0);
    }
    assert_eq!(left, BTreeMap::new());
}

/// See above.
#[tokio::test]
#[ignore = "needs a broker at OPERATOR_TEST_KAFKA"]
async fn what_a_real_cluster_refuses_is_told_in_its_words() {
    let access = access(&std::env::var("OPERATOR_TEST_KAFKA").unwrap());
    let (_, session) = look(access, &SecretData::default()).await;
    let topic = DesiredTopic {
        name: "user.refused".to_owned(),
        partitions: 1,
        replication_factor: 1000,
        min_in_sync_replicas: 1,
        retention: Duration::from_secs(60),
    };
    let configs = BTreeMap::new();
    let seen = session
        .unwrap()
        .change(&[TopicChange::Create { topic, configs }], write(BOUND))
        .await;
    let SeenTopics::Found {
        created, refused, ..
    } = seen
    else {
        panic!("{seen:?}");
    };
    assert_eq!(created, BTreeSet::new());
    assert!(refused["user.refused"].contains("1000"), "{refused:?}");
}

/// See above.
#[tokio::test]
#[ignore = "needs a broker at OPERATOR_TEST_KAFKA"]
async fn a_real_cluster_keeps_the_topic_whose_own_policy_is_to_retain_it() {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
    use operator_api::{TOPICS_FINALIZER, UserService};
    use operator_core::{Release, World, plan, removal};

    let release = Release {
        version: "1.2.3".to_owned(),
        ..Release::default()
    };
    let now = Time(Timestamp::UNIX_EPOCH);
    let mut resource: UserService = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "users", "namespace": "team-a", "finalizers": [TOPICS_FINALIZER]},
        "spec": {"events": {"kafka": {
            "bootstrapServers": [std::env::var("OPERATOR_TEST_KAFKA").unwrap()],
            "topicPrefix": "own-policy.",
            "topics": {
                "replicationFactor": 1, "minInSyncReplicas": 1, "partitions": 1, "reclaimPolicy": "Delete",
                "overrides": [{"name": "user.created", "reclaimPolicy": "Retain"}],
            },
        }}},
    }))
    .unwrap();
    let kept = "own-policy.user.created";
    let secrets = SecretData::default();
    let access = operator_core::validate(&resource, &release).unwrap();
    let access = access.kafka(&[]).unwrap();
    let world = |topics| World {
        topics,
        ..World::default()
    };

    let (seen, session) = look(access.clone(), &secrets).await;
    let changes = plan(&world(seen), &resource, &release, &now)
        .unwrap()
        .topics;
    assert_eq!(changes.len(), 6, "{changes:?}");
    let seen = session.unwrap().change(&changes, write(BOUND)).await;
    resource.status = plan(&world(seen), &resource, &release, &now)
        .unwrap()
        .status;
    assert_eq!(resource.status.as_ref().unwrap().topics.len(), 6);

    resource.metadata.deletion_timestamp = Some(now.clone());
    let end = std::time::Instant::now() + BOUND;
    loop {
        let (seen, session) = look(access.clone(), &secrets).await;
        let step = removal(&world(seen), &resource, &now);
        if step.release {
            break;
        }
        assert!(std::time::Instant::now() < end, "{step:?}");
        session.unwrap().change(&step.topics, write(BOUND)).await;
    }
    let (seen, session) = look(access, &secrets).await;
    let SeenTopics::Found { topics, .. } = seen else {
        panic!("{seen:?}");
    };
    assert_eq!(topics.keys().collect::<Vec<_>>(), [kept]);
    let last = TopicChange::Delete {
        name: kept.to_owned(),
        id: topics[kept].id.clone(),
    };
    session.unwrap().change(&[last], write(BOUND)).await;
}
