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
use crate::producer::Outgoing;
use crate::producers::Producers;
use crate::reload::Watch;
use crate::trace::Sending;
use crate::{headers, message};

/// Publishes to Kafka.
///
/// Each event is acknowledged by all in-sync replicas before `publish` returns, and is in its partition once for each
/// call; twice where credentials change while a broker takes so long that the record is sent again. Calls may be
/// dropped: the record goes out nonetheless, unless it is in the queue still when credentials change.
pub struct KafkaPublisher<W: ProducerObserver> {
    producers: Arc<Producers<W>>,
    watch: Watch,
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
        let watch = Watch::begin(options);
        Ok(Self {
            producers: Arc::new(Producers::new(options.producer()?, observer)?),
            watch,
            framing,
            topics: options.topics.clone(),
            within: options.publish_within(),
        })
    }

    /// Looks at the files with credentials `every` so often, as long as the publisher exists, and takes changed ones into
    /// force: no event is lost for it, none overtakes another of its user, and the calls under way notice no more than
    /// that they take a little longer. Files that cannot be used change nothing.
    pub fn keep_current(&self, every: Duration) -> impl Future<Output = ()> + Send + use<W> {
        let producers = Arc::downgrade(&self.producers);
        self.watch.clone().run(producers, every)
    }

    /// Waits until everything is acknowledged or has failed, no longer than `within`. To be called when nothing is
    /// published any more. To drop a publisher takes up to a second and forgets what is left in its queue.
    ///
    /// # Errors
    /// Something was left.
    pub async fn close(self, within: Duration) -> Result<(), Undelivered> {
        let waiting = self.producers.unacknowledged();
        let close = tokio::task::spawn_blocking(move || {
            let left = self.producers.flush(within);
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
        let outcome = self.producers.deliver(&outgoing, self.within).await;
        outcome.map_err(classified)
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
        self.producers
            .observer()
            .delivered(event_type, before.elapsed());
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
