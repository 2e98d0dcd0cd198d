//! The port, by the producer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::message::OwnedHeaders;
use user_application::{EventPublisher, OutboxRecord, PublishError};
use user_domain::UserEvent;

use crate::config::{KafkaOptions, TopicNames, Topics};
use crate::error::{ConfigError, DeliveryError, classified};
use crate::events::event_type_of;
use crate::framing::Framing;
use crate::observer::ProducerObserver;
use crate::producer::{Outgoing, Producer};
use crate::{headers, message};

/// Publishes to Kafka.
///
/// Each event is acknowledged by all in-sync replicas before `publish` returns, and is in its partition once for each
/// call. Calls may be dropped: the record goes out nonetheless.
pub struct KafkaPublisher<W: ProducerObserver> {
    producer: Producer<W>,
    observer: Arc<W>,
    framing: Framing,
    topics: Topics,
    within: Duration,
}

/// Records that were not acknowledged in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} records were not acknowledged")]
pub struct Undelivered(pub usize);

impl<W: ProducerObserver> KafkaPublisher<W> {
    /// A publisher by these options. It connects by and by: whether the broker can be reached shows in publishing.
    ///
    /// # Errors
    /// The options or the files with credentials are unusable.
    pub fn new(options: &KafkaOptions, framing: Framing, observer: W) -> Result<Self, ConfigError> {
        let observer = Arc::new(observer);
        let producer = Producer::new(options.producer()?, Arc::clone(&observer))?;
        Ok(Self {
            producer,
            observer,
            framing,
            topics: options.topics.clone(),
            within: options.publish_within(),
        })
    }

    /// Waits until everything is acknowledged or has failed, no longer than `within`. To be called when nothing is
    /// published any more. To drop a publisher takes up to a second and forgets what is left in its queue.
    ///
    /// # Errors
    /// Something was left.
    pub async fn close(self, within: Duration) -> Result<(), Undelivered> {
        let waiting = self.producer.unacknowledged();
        let close = tokio::task::spawn_blocking(move || {
            let left = self.producer.flush(within);
            drop(self);
            left
        });
        match close.await.unwrap_or(waiting) {
            0 => Ok(()),
            left => Err(Undelivered(left)),
        }
    }

    fn names(&self, event: &UserEvent) -> &TopicNames {
        self.topics.of(event.kind())
    }

    async fn send(
        &self,
        event: &UserEvent,
        topic: &str,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> Result<(), PublishError> {
        let key = event.user_id().to_string();
        let outgoing = Outgoing {
            topic,
            key: &key,
            value,
            headers,
        };
        let outcome = match self.producer.send(outgoing) {
            Ok(sent) => sent.acknowledged(self.within).await,
            Err(error) => Err(error),
        };
        outcome.map_err(|error| {
            self.producer.mend();
            classified(error)
        })
    }

    /// With its value, or without if it is too large or cannot be written down.
    async fn bury(&self, record: &OutboxRecord, reason: &PublishError) -> Result<(), PublishError> {
        let event = &record.event;
        let names = self.names(event);
        let topic = &names.dead_letters;
        let headers = || headers::dead_letter(record, &self.framing, &names.events, reason);
        let Ok(value) = message::value(event, &self.framing) else {
            let headers = headers::without_value(headers(), "not-encodable");
            return self.send(event, topic, None, headers).await;
        };
        match self.send(event, topic, Some(&value), headers()).await {
            Err(PublishError::Unpublishable(_)) => {
                let headers = headers::without_value(headers(), "too-large");
                self.send(event, topic, None, headers).await
            }
            outcome => outcome,
        }
    }
}

impl<W: ProducerObserver> EventPublisher for KafkaPublisher<W> {
    async fn publish(&self, record: &OutboxRecord) -> Result<(), PublishError> {
        let event = &record.event;
        let value = message::value(event, &self.framing)
            .map_err(|error| PublishError::Unpublishable(error.into()))?;
        let headers = headers::event(record, &self.framing);
        let topic = &self.names(event).events;
        let before = Instant::now();
        let sent = self.send(event, topic, Some(&value), headers).await;
        sent.map_err(|error| match error {
            // It may be its batch that is too large; after a pause of its own it goes with others, or alone.
            PublishError::Unpublishable(cause) => PublishError::Refused(cause),
            error => error,
        })?;
        let event_type = event_type_of(event.kind());
        self.observer.delivered(event_type, before.elapsed());
        Ok(())
    }

    async fn publish_dead_letter(
        &self,
        record: &OutboxRecord,
        reason: &PublishError,
    ) -> Result<(), PublishError> {
        tokio::time::timeout(self.within, self.bury(record, reason))
            .await
            .unwrap_or_else(|_| {
                Err(classified(DeliveryError::Silent {
                    within: self.within,
                    connection: None,
                }))
            })
    }
}

impl<W: ProducerObserver> std::fmt::Debug for KafkaPublisher<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaPublisher")
            .field("topics", &self.topics)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
