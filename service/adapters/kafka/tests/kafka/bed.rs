//! Topics of their own for each test, and a consumer that knows nothing of the publisher.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, StreamConsumer};
use rdkafka::message::{Headers as _, OwnedMessage};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use user_adapter_kafka::{Framing, KafkaOptions, KafkaPublisher};
use user_application::OutboxRecord;
use user_domain::UserEvent;
use user_settings::{Kafka, event_type};
use uuid::Uuid;

pub(crate) const PARTITIONS: i32 = 6;

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// When a publisher gives up whose broker does not take what it sends; long enough to learn why.
const GIVE_UP: Duration = Duration::from_secs(4);

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}; make integration does"))
}

pub(crate) struct Bed {
    pub(crate) settings: Kafka,
}

impl Bed {
    /// Without topics.
    pub(crate) fn empty() -> Self {
        Self {
            settings: Kafka {
                bootstrap_servers: variable("TEST_KAFKA"),
                topic_prefix: format!("test-{}.", Uuid::new_v4().simple()),
                delivery_timeout: PATIENCE,
                ..Kafka::default()
            },
        }
    }

    pub(crate) async fn new() -> Self {
        let bed = Self::empty();
        bed.create_all().await;
        bed
    }

    /// For tests of what is not delivered.
    pub(crate) fn giving_up(mut self) -> Self {
        self.settings.delivery_timeout = GIVE_UP;
        self
    }

    pub(crate) async fn create_all(&self) {
        for event_type in event_type::ALL {
            self.create(&self.settings.topic(event_type), &[]).await;
            self.create(&self.settings.dead_letter_topic(event_type), &[])
                .await;
        }
    }

    pub(crate) async fn create(&self, topic: &str, config: &[(&str, &str)]) {
        let replication = TopicReplication::Fixed(1);
        let mut topic = NewTopic::new(topic, PARTITIONS, replication);
        for (key, value) in config {
            topic = topic.set(key, value);
        }
        let results = admin()
            .create_topics([&topic], &AdminOptions::new())
            .await
            .unwrap();
        for result in results {
            result.unwrap();
        }
    }

    /// Deletes the topics, and waits until the broker takes nothing for them any more: it answers when that is decided.
    pub(crate) async fn delete_all(&self) {
        let reader: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", variable("TEST_KAFKA"))
            .create()
            .unwrap();
        let is_there = |topic: &str, partition| {
            let offsets = reader.fetch_watermarks(topic, partition, Duration::from_secs(1));
            offsets.is_ok()
        };
        let partitions: Vec<(String, i32)> = topics(&self.settings)
            .flat_map(|topic| (0..PARTITIONS).map(move |partition| (topic.clone(), partition)))
            .collect();
        // From now on the reader knows whom to ask, and does, as a publisher would.
        for (topic, partition) in &partitions {
            assert!(is_there(topic, *partition));
        }
        delete_topics(&self.settings).await;
        for (topic, partition) in &partitions {
            while is_there(topic, *partition) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    pub(crate) fn options(&self) -> KafkaOptions {
        KafkaOptions::new(&self.settings, "test".to_owned())
    }

    pub(crate) fn publisher(&self, framing: Framing) -> KafkaPublisher<()> {
        KafkaPublisher::new(&self.options(), framing, ()).unwrap()
    }

    /// The first records of a topic, in order within each partition.
    pub(crate) async fn consume(&self, topic: &str, count: usize) -> Vec<OwnedMessage> {
        consumed(&consumer(topic), count).await
    }

    /// The records of a topic, as many as there are now.
    pub(crate) async fn consume_all(&self, topic: &str) -> Vec<OwnedMessage> {
        let consumer = consumer(topic);
        let ends = (0..PARTITIONS).map(|partition| {
            let (_, end) = consumer
                .fetch_watermarks(topic, partition, PATIENCE)
                .unwrap();
            usize::try_from(end).unwrap()
        });
        let count = ends.sum();
        consumed(&consumer, count).await
    }
}

fn topics(settings: &Kafka) -> impl Iterator<Item = String> {
    event_type::ALL.into_iter().flat_map(|event_type| {
        let dead_letters = settings.dead_letter_topic(event_type);
        [settings.topic(event_type), dead_letters]
    })
}

/// Deletes the topics, as far as they are there.
async fn delete_topics(settings: &Kafka) {
    let topics: Vec<String> = topics(settings).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let _ = admin().delete_topics(&topics, &AdminOptions::new()).await;
}

fn consumer(topic: &str) -> StreamConsumer {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", variable("TEST_KAFKA"))
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions
            .add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&partitions).unwrap();
    consumer
}

async fn consumed(consumer: &StreamConsumer, count: usize) -> Vec<OwnedMessage> {
    let mut records = Vec::with_capacity(count);
    while records.len() < count {
        let record = tokio::time::timeout(PATIENCE, consumer.recv()).await;
        records.push(record.expect("records in time").unwrap().detach());
    }
    records
}

impl Drop for Bed {
    fn drop(&mut self) {
        let settings = self.settings.clone();
        let delete = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(delete_topics(&settings));
        };
        let _ = std::thread::spawn(delete).join();
    }
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", variable("TEST_KAFKA"))
        .create()
        .unwrap()
}

pub(crate) fn record(event: UserEvent) -> OutboxRecord {
    OutboxRecord {
        event,
        trace: None,
        attempts: 0,
    }
}

pub(crate) fn headers(record: &OwnedMessage) -> BTreeMap<String, Vec<u8>> {
    let headers = record.headers().unwrap();
    headers
        .iter()
        .map(|header| (header.key.to_owned(), header.value.unwrap().to_vec()))
        .collect()
}

pub(crate) fn text(headers: &BTreeMap<String, Vec<u8>>, key: &str) -> String {
    let value = headers
        .get(key)
        .unwrap_or_else(|| panic!("no header {key}"));
    String::from_utf8(value.clone()).unwrap()
}

/// A folder of its own for each test, gone with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(Uuid::new_v4().to_string());
        std::fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            std::fs::write(path.join(file), text).unwrap();
        }
        Self(path)
    }

    /// Those files in place of all that are there, at one moment.
    pub(crate) fn replace(&self, other: Self) {
        let (from, to) = (other.0.as_path(), self.0.as_path());
        renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE).unwrap();
        drop(other);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
