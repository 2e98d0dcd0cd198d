//! The contract of a publisher, on a real broker.

use std::time::Duration;

use user_adapter_kafka::{Framing, KafkaPublisher};
use user_application::OutboxRecord;
use user_application::testkit::publisher::{Destination, unwritable};
use user_domain::EventId;
use user_settings::event_type::{self, USER_CREATED};
use uuid::Uuid;

use crate::bed::{Bed, headers, record, text};
use crate::limits::incompressible;

/// More than a usual event takes and less than the largest.
const SMALL: &[(&str, &str)] = &[("max.message.bytes", "600")];

user_application::publisher_contract!(Topics::new().await);

/// Topics of their own; that of new users takes small batches only.
struct Topics(Bed);

impl Topics {
    async fn new() -> Self {
        let topics = Self(Bed::empty().giving_up());
        topics.create().await;
        topics
    }

    async fn create(&self) {
        let settings = &self.0.settings;
        for event_type in event_type::ALL {
            let config = if event_type == USER_CREATED {
                SMALL
            } else {
                &[]
            };
            self.0.create(&settings.topic(event_type), config).await;
            let dead_letters = settings.dead_letter_topic(event_type);
            self.0.create(&dead_letters, &[]).await;
        }
    }

    async fn events(&self, topic: impl Fn(&str) -> String) -> Vec<EventId> {
        let mut events = Vec::new();
        for event_type in event_type::ALL {
            for record in self.0.consume_all(&topic(event_type)).await {
                let id: Uuid = text(&headers(&record), "ce_id").parse().unwrap();
                events.push(EventId::new(id));
            }
        }
        events
    }
}

impl Destination for Topics {
    type Publisher = KafkaPublisher<()>;

    fn publisher(&self) -> Self::Publisher {
        self.0.publisher(Framing::Bare)
    }

    fn within(&self) -> Duration {
        self.0.options().publish_within()
    }

    async fn published(&self) -> Vec<EventId> {
        self.events(|event_type| self.0.settings.topic(event_type))
            .await
    }

    async fn dead_letters(&self) -> Vec<EventId> {
        self.events(|event_type| self.0.settings.dead_letter_topic(event_type))
            .await
    }

    fn poison(&self) -> Vec<OutboxRecord> {
        vec![record(incompressible()), unwritable(2)]
    }

    /// As far as a test can take a broker away that others use as well.
    async fn goes_away(&self) {
        self.0.delete_all().await;
    }

    async fn comes_back(&self) {
        self.create().await;
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
