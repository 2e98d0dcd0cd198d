//! The producers of a publisher.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Properties;
use crate::error::{ConfigError, DeliveryError};
use crate::observer::ProducerObserver;
use crate::producer::{Outgoing, Producer};

/// One for all records, and one for those that were refused.
pub(crate) struct Producers<W: ProducerObserver> {
    main: Producer<W>,
    /// For records that were refused, maybe for the sake of another one in their batch: made when there is one.
    alone: OnceLock<Producer<W>>,
    /// Held while one is made or both are renewed, so that both have the same properties.
    changing: Mutex<()>,
    observer: Arc<W>,
}

impl<W: ProducerObserver> Producers<W> {
    pub(crate) fn new(properties: Properties, observer: W) -> Result<Self, ConfigError> {
        let observer = Arc::new(observer);
        Ok(Self {
            main: Producer::new(properties, Arc::clone(&observer))?,
            alone: OnceLock::new(),
            changing: Mutex::new(()),
            observer,
        })
    }

    pub(crate) fn observer(&self) -> &W {
        &self.observer
    }

    /// Sends a record; once more by itself if it was refused, and what is refused then is refused for its own sake.
    pub(crate) async fn deliver(
        &self,
        record: &Outgoing<'_>,
        within: Duration,
    ) -> Result<(), DeliveryError> {
        let outcome = self.main.deliver(record, within).await;
        if !outcome.as_ref().is_err_and(DeliveryError::is_refusal) {
            return outcome;
        }
        let alone = self.alone();
        let alone = alone.map_err(|error| DeliveryError::Irreplaceable(error.to_string()))?;
        alone.deliver(record, within).await
    }

    fn alone(&self) -> Result<&Producer<W>, ConfigError> {
        if let Some(alone) = self.alone.get() {
            return Ok(alone);
        }
        let _turn = self.turn();
        if let Some(alone) = self.alone.get() {
            return Ok(alone);
        }
        let properties = self.main.properties().one_by_one();
        let made = Producer::new(properties, Arc::clone(&self.observer))?;
        Ok(self.alone.get_or_init(|| made))
    }

    /// Goes on with these properties: what was sent by the old ones is finished or handed on. Blocks for a moment.
    ///
    /// # Errors
    /// They are unusable; the old ones stay in force.
    pub(crate) fn renew(&self, properties: &Properties) -> Result<(), ConfigError> {
        let _turn = self.turn();
        self.main.renew(properties.clone())?;
        match self.alone.get() {
            Some(alone) => alone.renew(properties.one_by_one()),
            None => Ok(()),
        }
    }

    /// Waits until everything is acknowledged or has failed, no longer than `within`; how many records are left. Blocks.
    pub(crate) fn flush(&self, within: Duration) -> usize {
        let end = Instant::now() + within;
        self.all()
            .map(|producer| producer.flush(end.saturating_duration_since(Instant::now())))
            .sum()
    }

    /// How many records are in the queue or in flight.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.all().map(Producer::unacknowledged).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Producer<W>> {
        std::iter::once(&self.main).chain(self.alone.get())
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::message::OwnedHeaders;
    use rdkafka::mocking::MockCluster;
    use user_settings::Kafka;

    use super::*;
    use crate::KafkaOptions;

    const TOPIC: &str = "user.created";
    const PATIENCE: Duration = Duration::from_secs(20);

    fn record(key: &str) -> Outgoing<'_> {
        Outgoing {
            topic: TOPIC,
            key,
            value: Some(b"value"),
            headers: OwnedHeaders::new(),
        }
    }

    #[tokio::test]
    async fn what_waits_in_a_producer_that_is_renewed_goes_out_by_the_next_one_and_once() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let settings = Kafka {
            bootstrap_servers: cluster.bootstrap_servers(),
            delivery_timeout: PATIENCE,
            ..Kafka::default()
        };
        let options = KafkaOptions::new(&settings, "renewed".to_owned());
        let properties = options.producer().unwrap();
        let producers = Producers::new(properties.clone(), ()).unwrap();
        producers.deliver(&record("a"), PATIENCE).await.unwrap();
        cluster.broker_down(1).unwrap();
        let (b, c) = (record("b"), record("c"));
        let begun = Instant::now();
        let waiting = async {
            tokio::join!(
                producers.deliver(&b, PATIENCE),
                producers.deliver(&c, PATIENCE),
            )
        };
        let renewed = async {
            assert!(producers.unacknowledged() >= 2);
            producers.renew(&properties).unwrap();
            cluster.broker_up(1).unwrap();
        };
        let ((b, c), ()) = tokio::join!(waiting, renewed);
        assert_eq!((b, c), (Ok(()), Ok(())));
        assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
        let consumer: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .create()
            .unwrap();
        let (_, end) = consumer.fetch_watermarks(TOPIC, 0, PATIENCE).unwrap();
        assert_eq!(end, 3);
    }
}
