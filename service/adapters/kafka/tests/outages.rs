//! What becomes of a record when the broker fails, by the library's own broker in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Answer};
use user_adapter_kafka::{Framing, KafkaOptions, KafkaPublisher, ProducerObserver};
use user_application::testkit::new_user;
use user_application::{EventPublisher as _, OutboxRecord, PublishError};
use user_settings::Kafka;
use user_settings::event_type::USER_CREATED;

const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Default)]
struct Counts {
    delivered: Arc<AtomicUsize>,
    replaced: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<&'static str>>>,
}

impl ProducerObserver for Counts {
    fn delivered(&self, event_type: &'static str, took: Duration) {
        assert_eq!(event_type, USER_CREATED);
        assert!(took > Duration::ZERO);
        self.delivered.fetch_add(1, Ordering::SeqCst);
    }

    fn failed(&self, class: &'static str) {
        self.failed.lock().unwrap().push(class);
    }

    fn replaced(&self, reason: &str) {
        assert_ne!(reason, "unknown");
        self.replaced.fetch_add(1, Ordering::SeqCst);
    }
}

struct Bed {
    cluster: MockCluster<'static, DefaultProducerContext>,
    publisher: KafkaPublisher<Counts>,
    counts: Counts,
    within: Duration,
}

impl Bed {
    fn new() -> Self {
        Self::on(cluster())
    }

    fn on(cluster: MockCluster<'static, DefaultProducerContext>) -> Self {
        let settings = Kafka {
            bootstrap_servers: cluster.bootstrap_servers(),
            delivery_timeout: TIMEOUT,
            ..Kafka::default()
        };
        let options = KafkaOptions::new(&settings, "outages".to_owned());
        let counts = Counts::default();
        let publisher = KafkaPublisher::new(&options, Framing::Bare, counts.clone()).unwrap();
        Self {
            cluster,
            publisher,
            counts,
            within: options.publish_within(),
        }
    }

    async fn publish(&self) -> Result<(), PublishError> {
        let before = Instant::now();
        let outcome = self.publisher.publish(&record()).await;
        let bound = self.within + Duration::from_millis(500);
        assert!(before.elapsed() < bound, "{:?}", before.elapsed());
        outcome
    }

    /// Why records were not acknowledged so far.
    fn failures(&self) -> Vec<&'static str> {
        self.counts.failed.lock().unwrap().clone()
    }

    /// The next answers to records.
    fn answers(&self, errors: &[Answer]) {
        self.cluster.request_errors(Api::Produce, errors);
    }

    /// Waits for a broker that answers again.
    async fn publishes(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(error) = self.publish().await {
            assert!(Instant::now() < deadline, "{error:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    for topic in [USER_CREATED, "user.created.dlq"] {
        cluster.create_topic(topic, 3, 1).unwrap();
    }
    cluster
}

fn record() -> OutboxRecord {
    OutboxRecord {
        event: new_user(1, "ada@example.com").1,
        trace: None,
        attempts: 0,
    }
}

#[tokio::test]
async fn while_the_broker_is_down_it_is_an_outage_and_after_that_it_goes_on() {
    let bed = Bed::new();
    bed.publish().await.unwrap();
    bed.cluster.broker_down(1).unwrap();
    let error = bed.publish().await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
    assert_eq!(bed.failures(), ["timed_out"]);
    bed.cluster.broker_up(1).unwrap();
    bed.publishes().await;
}

#[tokio::test]
async fn what_passes_within_the_delivery_timeout_is_not_seen() {
    let bed = Bed::new();
    bed.answers(&[
        Answer::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Answer::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Answer::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ]);
    bed.publish().await.unwrap();
    assert_eq!(bed.counts.delivered.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn too_few_replicas_for_too_long_are_an_outage() {
    let bed = Bed::new();
    bed.answers(&[Answer::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 100]);
    let error = bed.publish().await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
    bed.cluster.clear_request_errors(Api::Produce);
    bed.publishes().await;
}

#[tokio::test]
async fn a_forbidden_topic_is_an_outage_of_what_was_set_up() {
    let bed = Bed::new();
    bed.answers(&[Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let error = bed.publish().await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
    assert_eq!(bed.failures(), ["authorization"]);
    bed.publishes().await;
}

#[tokio::test]
async fn a_record_that_was_refused_with_its_batch_goes_alone() {
    let bed = Bed::new();
    for refusal in [
        Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        Answer::RD_KAFKA_RESP_ERR_INVALID_RECORD,
        Answer::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    ] {
        bed.answers(&[refusal]);
        bed.publish().await.unwrap();
    }
    assert_eq!(bed.failures(), ["too_large", "refused", "refused"]);
    assert_eq!(bed.counts.delivered.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_record_that_the_broker_finds_invalid_is_refused() {
    let bed = Bed::new();
    bed.answers(&[Answer::RD_KAFKA_RESP_ERR_INVALID_RECORD; 2]);
    let error = bed.publish().await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    bed.publishes().await;
}

#[tokio::test]
async fn a_record_that_is_too_large_alone_is_refused_since_the_topic_may_change() {
    let bed = Bed::new();
    bed.answers(&[Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 2]);
    let error = bed.publish().await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    bed.publisher
        .publish_dead_letter(&record(), &error)
        .await
        .unwrap();
    bed.publishes().await;
}

#[tokio::test]
async fn a_producer_that_broke_down_is_replaced_and_publishing_goes_on() {
    let cluster = cluster();
    // Before there is a producer, since it asks for its identity at once.
    cluster.request_errors(
        Api::InitProducerId,
        &[Answer::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED],
    );
    let bed = Bed::on(cluster);
    // It may have broken down, and been replaced, before it was given anything.
    if let Err(error) = bed.publish().await {
        assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
    }
    bed.publishes().await;
    assert_eq!(bed.counts.replaced.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn closing_waits_for_what_is_in_flight_and_no_longer_than_it_may() {
    let bed = Bed::new();
    bed.publish().await.unwrap();
    let Bed {
        publisher, cluster, ..
    } = bed;
    publisher.close(Duration::from_secs(5)).await.unwrap();

    drop(cluster);

    let bed = Bed::new();
    bed.cluster.broker_down(1).unwrap();
    let publisher = bed.publisher;
    let record = record();
    let waiting = tokio::time::timeout(Duration::from_millis(10), publisher.publish(&record));
    waiting.await.unwrap_err();
    let before = Instant::now();
    let left = publisher.close(Duration::from_millis(200)).await;
    assert_eq!(left.unwrap_err().0, 1);
    assert!(before.elapsed() < Duration::from_secs(2));
}
