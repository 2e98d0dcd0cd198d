//! The servers, and what runs on them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use user_adapter_kafka::{Framing, KafkaOptions, KafkaPublisher, RegistryOptions, SchemaRegistry};
use user_adapter_mongodb::{MigrationObserver, MongoStorage, StorageOptions};
use user_settings::{Kafka, event_type};
use uuid::Uuid;

/// Where the real servers are.
pub(crate) struct Servers {
    pub(crate) database_name: String,
    pub(crate) uri: String,
    brokers: String,
    registry: String,
}

/// Of this run.
pub(crate) fn database() -> String {
    format!("bench_{}", std::process::id())
}

struct Silent;

impl MigrationObserver for Silent {
    fn waiting(&self) {}
    fn changing(&self, _: u32, _: &str) {}
    fn applied(&self, _: u32) {}
}

impl Servers {
    pub(crate) fn from_environment() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: make bench does"))
        };
        Ok(Self {
            database_name: variable("TEST_DATABASE_NAME")?,
            uri: variable("TEST_MONGODB_URI")?,
            brokers: variable("TEST_KAFKA")?,
            registry: variable("TEST_REGISTRY_URL")?,
        })
    }

    /// A database of its own, with the schema.
    pub(crate) async fn storage(&self) -> Result<MongoStorage> {
        let options = StorageOptions {
            database: database(),
            ..StorageOptions::default()
        };
        let storage = MongoStorage::connect(&self.uri, options).await?;
        storage.migrations().migrate(None, &Silent).await?;
        Ok(storage)
    }

    /// Topics of their own, six partitions each, and a publisher to them with the registry's frames.
    pub(crate) async fn publisher(&self) -> Result<KafkaPublisher<()>> {
        let kafka = Kafka {
            bootstrap_servers: self.brokers.clone(),
            topic_prefix: format!("bench-{}.", Uuid::new_v4().simple()),
            ..Kafka::default()
        };
        for event_type in event_type::ALL {
            self.create_topic(&kafka.topic(event_type)).await?;
            self.create_topic(&kafka.dead_letter_topic(event_type))
                .await?;
        }
        let options = KafkaOptions::new(&kafka, "bench".to_owned());
        let registry = SchemaRegistry::new(&RegistryOptions {
            url: self.registry.clone(),
            credentials_directory: "/nonexistent".into(),
            timeout: Duration::from_secs(5),
        })?;
        registry.register_all(&options.topics).await?;
        let framing = Framing::Prefix(registry.resolve(&options.topics).await?);
        Ok(KafkaPublisher::new(&options, framing, ())?)
    }

    pub(crate) async fn create_topic(&self, name: &str) -> Result<()> {
        let admin: AdminClient<_> = self.client().create()?;
        let topic = NewTopic::new(name, 6, TopicReplication::Fixed(1));
        let results = admin.create_topics([&topic], &AdminOptions::new()).await?;
        for result in results {
            result.map_err(|(name, code)| anyhow::anyhow!("topic {name}: {code}"))?;
        }
        Ok(())
    }

    /// How a bare client is set up: as the publisher is, as far as durability goes.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "5");
        config
    }
}
