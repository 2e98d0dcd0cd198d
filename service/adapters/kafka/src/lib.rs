//! Driven adapter: publishes events to Kafka, framed for a schema registry.
//!
//! One topic for each type of event. A record has the user's identifier as its key, so that the events of one user stay
//! in order; the attributes of `CloudEvents` 1.0 as headers (Kafka protocol binding, binary mode); and the user's whole
//! state as a protobuf message for a value. Names and e-mail addresses are in the value alone: headers, errors, logs and
//! statistics have none.

mod config;
mod credentials;
mod error;
mod events;
mod framing;
mod headers;
mod message;
mod observer;
mod producer;
mod producers;
mod publisher;
mod registry;
mod reload;
mod telemetry;
mod trace;

pub use config::{KafkaOptions, TopicNames, Topics};
pub use error::{ConfigError, DeliveryError, FAILURES};
pub use events::PerEvent;
pub use framing::{Framing, SchemaId};
pub use headers::SOURCE;
pub use message::EncodeError;
pub use observer::{BrokerStatistics, ProducerObserver, ProducerStatistics};
pub use publisher::{KafkaPublisher, Undelivered};
pub use registry::{RegistryOptions, SchemaError, SchemaOutcome, SchemaRegistry, SubjectReport};
