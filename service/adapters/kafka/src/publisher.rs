//! The port, by the producer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::message::OwnedHeaders;
use tokio::sync::OnceCell;
use user_application::{EventPublisher, OutboxRecord, PublishError};
use user_domain::UserEvent;

use crate::config::{KafkaOptions, Properties, TopicNames, Topics};
use crate::error::{ConfigError, DeliveryError, classified};
use crate::events::event_type_of;
use crate::framing::Framing;
use crate::observer::ProducerObserver;
use crate::producer::{Outgoing, Producer};
use crate::trace::Sending;
use crate::{headers, message};

/// Publishes to Kafka.
///
/// Each event is acknowledged by all in-sync replicas before `publish` returns, and is in its partition once for each
/// call. Calls may be dropped: the record goes out nonetheless.
pub struct KafkaPublisher<W: ProducerObserver> {
    producer: Producer<W>,
    /// For records that were refused, maybe for the sake of another one in their batch: made when there is one.
    alone: OnceCell<Producer<W>>,
    properties: Properties,
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
        let properties = options.producer()?;
        let producer = Producer::new(properties.clone(), Arc::clone(&observer))?;
        Ok(Self {
            producer,
            alone: OnceCell::new(),
            properties,
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
        let waiting = self.producers().map(Producer::unacknowledged).sum();
        let end = Instant::now() + within;
        let close = tokio::task::spawn_blocking(move || {
            let left = self
                .producers()
                .map(|producer| producer.flush(end.saturating_duration_since(Instant::now())))
                .sum();
            drop(self);
            left
        });
        match close.await.unwrap_or(waiting) {
            0 => Ok(()),
            left => Err(Undelivered(left)),
        }
    }

    fn producers(&self) -> impl Iterator<Item = &Producer<W>> {
        std::iter::once(&self.producer).chain(self.alone.get())
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
        let mut outcome = self.producer.deliver(outgoing.clone(), self.within).await;
        if outcome.as_ref().is_err_and(DeliveryError::is_refusal) {
            outcome = self.deliver_alone(outgoing).await;
        }
        outcome.map_err(classified)
    }

    /// What is refused then is refused for its own sake.
    async fn deliver_alone(&self, record: Outgoing<'_>) -> Result<(), DeliveryError> {
        let make = async || Producer::new(self.properties.one_by_one(), Arc::clone(&self.observer));
        let alone = self.alone.get_or_try_init(make).await;
        let alone = alone.map_err(|error| DeliveryError::Irreplaceable(error.to_string()))?;
        alone.deliver(record, self.within).await
    }

    /// However many attempts it takes.
    async fn in_time(
        &self,
        sending: impl Future<Output = Result<(), PublishError>>,
    ) -> Result<(), PublishError> {
        let sent = tokio::time::timeout(self.within, sending).await;
        sent.unwrap_or_else(|_| {
            Err(classified(DeliveryError::Silent {
                within: self.within,
                connection: None,
            }))
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
        let span = Sending::begin(record, topic);
        let sent = self
            .in_time(self.send(event, topic, Some(&value), headers))
            .await;
        if let Some(span) = span {
            span.end(&sent);
        }
        sent.map_err(|error| match error {
            // The topic may take larger ones by the next attempt.
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
        self.in_time(self.bury(record, reason)).await
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
