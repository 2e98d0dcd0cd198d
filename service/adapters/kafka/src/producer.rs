//! The library's producer, and its replacement when it has broken down or its credentials have changed.
//!
//! An idempotent producer that can no longer tell what the broker has of it fails everything from then on (librdkafka's
//! fatal errors), and none takes another certificate or password. Another one begins anew, and what is taken from the
//! old one's queue is sent by it. The order of a key does not suffer: no two records of it are under way at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use rdkafka::statistics::Statistics;
use tokio::sync::oneshot;

use crate::config::Properties;
use crate::error::{ConfigError, DeliveryError};
use crate::observer::{ProducerObserver, ProducerStatistics};
use crate::telemetry;

/// Least time between two replacements, so that a producer that breaks down at once does not cost a processor.
const REPLACE_EVERY: Duration = Duration::from_secs(1);

/// What a producer whose credentials have changed may take to finish what is in flight.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// A record on its way to a topic.
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: &'a str,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: OwnedHeaders,
}

type Acknowledgement = Result<(), Code>;
type Native<W> = ThreadedProducer<Context<W>>;

/// The producer of the moment.
pub(crate) struct Producer<W: ProducerObserver> {
    observer: Arc<W>,
    current: Mutex<Current<W>>,
}

struct Current<W: ProducerObserver> {
    native: Arc<Native<W>>,
    properties: Properties,
    since: Instant,
}

/// A record that was handed over.
struct Sent<W: ProducerObserver> {
    acknowledgement: oneshot::Receiver<Acknowledgement>,
    context: Arc<Context<W>>,
}

impl<W: ProducerObserver> Producer<W> {
    /// A producer with these properties; it connects by and by.
    pub(crate) fn new(properties: Properties, observer: Arc<W>) -> Result<Self, ConfigError> {
        let current = Mutex::new(Current::make(properties, &observer)?);
        Ok(Self { observer, current })
    }

    /// Sends a record and waits for the acknowledgement, no longer than `within` in one producer. What waits in one that
    /// is replaced goes on in the next one.
    pub(crate) async fn deliver(
        &self,
        record: &Outgoing<'_>,
        within: Duration,
    ) -> Result<(), DeliveryError> {
        loop {
            let outcome = match self.send(record) {
                Ok(sent) => sent.acknowledged(within).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => return Ok(()),
                Err(DeliveryError::Replaced) => {}
                Err(error) => {
                    self.observer.failed(error.class());
                    self.mend();
                    return Err(error);
                }
            }
        }
    }

    /// Hands a record over, to another producer if this one turns out to have broken down.
    fn send(&self, record: &Outgoing<'_>) -> Result<Sent<W>, DeliveryError> {
        let native = self.native();
        match hand_over(&native, record) {
            Err(Code::Fatal) => {
                let native = self.replacement(&native)?;
                hand_over(&native, record).map_err(|code| failed(code, &native))
            }
            sent => sent.map_err(|code| failed(code, &native)),
        }
    }

    /// After a failure: has another producer made if this one has broken down.
    fn mend(&self) {
        let native = self.native();
        if native.client().fatal_error().is_some() {
            // If it cannot be, the next attempt says so.
            let _ = self.replacement(&native);
        }
    }

    /// Waits until everything is acknowledged or has failed, no longer than `within`; how many records are left. Blocks.
    pub(crate) fn flush(&self, within: Duration) -> usize {
        let native = self.native();
        // An error says no more than that records are left.
        let _ = native.flush(within);
        self.unacknowledged()
    }

    /// How many records are in the queue or in flight.
    pub(crate) fn unacknowledged(&self) -> usize {
        usize::try_from(self.native().in_flight_count()).unwrap_or_default()
    }

    /// By what it is set up.
    pub(crate) fn properties(&self) -> Properties {
        self.current().properties.clone()
    }

    /// Goes on with these properties. What is in flight has a moment to finish by the old ones; the rest is sent anew.
    ///
    /// # Errors
    /// They are unusable; the old ones stay in force.
    pub(crate) fn renew(&self, properties: Properties) -> Result<(), ConfigError> {
        let next = Current::make(properties, &self.observer)?;
        let old = std::mem::replace(&mut *self.current(), next);
        std::thread::spawn(move || {
            old.native.purge(PurgeConfig::default().queue());
            // An error says no more than that records are left.
            let _ = old.native.flush(FINISH_WITHIN);
        });
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, Current<W>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn native(&self) -> Arc<Native<W>> {
        Arc::clone(&self.current().native)
    }

    /// The producer in place of this one, made unless another call has done so.
    fn replacement(&self, broken: &Arc<Native<W>>) -> Result<Arc<Native<W>>, DeliveryError> {
        let mut current = self.current();
        if !Arc::ptr_eq(&current.native, broken) {
            return Ok(Arc::clone(&current.native));
        }
        if current.since.elapsed() < REPLACE_EVERY {
            return Err(DeliveryError::Irreplaceable(
                "it is new itself and broke down at once".to_owned(),
            ));
        }
        let next = Current::make(current.properties.clone(), &self.observer)
            .map_err(|error| DeliveryError::Irreplaceable(error.to_string()))?;
        let native = Arc::clone(&next.native);
        let old = std::mem::replace(&mut *current, next);
        drop(current);
        let fatal = broken.client().fatal_error();
        let reason = fatal.map_or_else(|| "unknown".to_owned(), |(code, _)| code.to_string());
        self.observer.replaced(&reason);
        // Purges its queue and waits for its thread: at most a second.
        std::thread::spawn(move || drop(old));
        Ok(native)
    }
}

impl<W: ProducerObserver> Current<W> {
    fn make(properties: Properties, observer: &Arc<W>) -> Result<Self, ConfigError> {
        let context = Context {
            observer: Arc::clone(observer),
            trouble: Mutex::new(None),
        };
        let native = ThreadedProducer::from_config_and_context(&properties.0, context)?;
        Ok(Self {
            native: Arc::new(native),
            properties,
            since: Instant::now(),
        })
    }
}

impl<W: ProducerObserver> Sent<W> {
    /// Waits for the acknowledgement, no longer than `within`.
    async fn acknowledged(self, within: Duration) -> Result<(), DeliveryError> {
        match tokio::time::timeout(within, self.acknowledgement).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(Code::PurgeQueue | Code::PurgeInflight)) | Err(_)) => {
                Err(DeliveryError::Replaced)
            }
            Ok(Ok(Err(code))) => Err(DeliveryError::Failed {
                code,
                connection: self.context.trouble(),
            }),
            Err(_) => Err(DeliveryError::Silent {
                within,
                connection: self.context.trouble(),
            }),
        }
    }
}

/// Puts a record into the queue; never blocks.
fn hand_over<W: ProducerObserver>(
    native: &Native<W>,
    record: &Outgoing<'_>,
) -> Result<Sent<W>, Code> {
    let (sender, acknowledgement) = oneshot::channel();
    let mut outgoing = BaseRecord::with_opaque_to(record.topic, Box::new(sender))
        .key(record.key)
        .headers(record.headers.clone());
    outgoing.payload = record.value;
    match native.send(outgoing) {
        Ok(()) => Ok(Sent {
            acknowledgement,
            context: Arc::clone(native.client().context()),
        }),
        Err((error, _)) => Err(code_of(&error)),
    }
}

fn failed<W: ProducerObserver>(code: Code, native: &Native<W>) -> DeliveryError {
    DeliveryError::Failed {
        code,
        connection: native.client().context().trouble(),
    }
}

/// Errors without a code are of no kind that sending makes.
fn code_of(error: &KafkaError) -> Code {
    error.rdkafka_error_code().unwrap_or(Code::Unknown)
}

/// What the library calls back.
pub(crate) struct Context<W> {
    observer: Arc<W>,
    /// What last went wrong with the connections, in the library's words, until the next acknowledgement.
    trouble: Mutex<Option<String>>,
}

impl<W> Context<W> {
    fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl<W: ProducerObserver> ClientContext for Context<W> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        telemetry::said(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        self.observer
            .statistics(&ProducerStatistics::from(&statistics));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = code_of(&error);
        // That a connection broke, or that no broker is left, follows from what is said besides, and would hide it.
        let follows = match code {
            Code::AllBrokersDown => true,
            Code::BrokerTransportFailure => self.trouble().is_some(),
            _ => false,
        };
        if !follows {
            self.set_trouble(Some(reason.to_owned()));
        }
        telemetry::trouble(&error, reason);
    }
}

impl<W: ProducerObserver> ProducerContext for Context<W> {
    type DeliveryOpaque = Box<oneshot::Sender<Acknowledgement>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let acknowledgement = match result {
            Ok(_) => {
                self.set_trouble(None);
                Ok(())
            }
            Err((error, _)) => Err(code_of(error)),
        };
        // Nobody waits any more if the call was dropped.
        let _ = waiting.send(acknowledgement);
    }
}
