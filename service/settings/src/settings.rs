//! The settings as types.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::{ADMIN_PORT, FLUSH_TIMEOUT, GRPC_PORT, Kafka, Mongodb, Outbox, Telemetry, Tls, bounds};

/// Everything the service can be told. Every field has a default, so `Settings::default()` runs with no infrastructure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where gRPC calls are answered. The default `[::]:8080` takes IPv6 and IPv4; the service falls back to `0.0.0.0`
    /// by itself where the kernel has no IPv6.
    pub grpc_address: SocketAddr,
    /// Where health, metrics and build information are served in plaintext. Same rule for `[::]`.
    pub admin_address: SocketAddr,
    /// How calls are served and how serving ends.
    pub server: Server,
    /// How connections to the gRPC port are protected.
    pub tls: Tls,
    /// How long a deleted user can come back; see [`bounds::PURGE_DELAY`].
    pub purge_delay: Duration,
    /// Where users are kept.
    pub storage: Storage,
    /// The database; in force where [`Settings::storage`] is [`Storage::Mongodb`].
    pub mongodb: Mongodb,
    /// Where events go.
    pub events: Events,
    /// The broker; in force where [`Settings::events`] is [`Events::Kafka`].
    pub kafka: Kafka,
    /// The way between the two; in force with a database.
    pub outbox: Outbox,
    /// What the service tells about itself.
    pub telemetry: Telemetry,
}

/// How calls are served and how serving ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Longest time spent on one call, whatever the client asked for; see [`bounds::REQUEST_TIMEOUT`].
    pub request_timeout: Duration,
    /// Calls in flight on one connection; see [`bounds::MAX_CONCURRENT_STREAMS`].
    pub max_concurrent_streams: u32,
    /// Calls in flight in the whole process; see [`bounds::MAX_CONCURRENT_CALLS`].
    pub max_concurrent_calls: u32,
    /// How long a connection lives, give or take a tenth; see [`bounds::MAX_CONNECTION_AGE`].
    pub max_connection_age: Duration,
    /// Whether clients may ask for the descriptors of the API.
    pub reflection: Reflection,
    /// Time between announcing `NOT_SERVING` and refusing new connections; see [`bounds::DRAIN_DELAY`].
    pub drain_delay: Duration,
    /// Time for calls in flight to finish; see [`bounds::DRAIN_TIMEOUT`].
    pub drain_timeout: Duration,
}

/// Whether clients may ask for the descriptors of the API (gRPC server reflection).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reflection {
    /// They may, as tools do.
    Enabled,
    /// They may not.
    Disabled,
}

/// Where users are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// In the process itself, bounded, gone when it ends.
    Memory,
    /// In a database behind `MongoDB`'s wire protocol, a replica set.
    Mongodb,
}

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Events {
    /// One JSON line for each event on standard output.
    Stdout,
    /// Records in Kafka.
    Kafka,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grpc_address: SocketAddr::from((Ipv6Addr::UNSPECIFIED, GRPC_PORT)),
            admin_address: SocketAddr::from((Ipv6Addr::UNSPECIFIED, ADMIN_PORT)),
            server: Server::default(),
            tls: Tls::default(),
            purge_delay: bounds::PURGE_DELAY.default,
            storage: Storage::Memory,
            mongodb: Mongodb::default(),
            events: Events::Stdout,
            kafka: Kafka::default(),
            outbox: Outbox::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Settings {
    /// Longest time from the first termination signal until the drain and the flush are over; the process ends within
    /// two seconds of that. A pod's termination grace period has to be longer than both.
    pub fn shutdown_bound(&self) -> Duration {
        self.server.drain_delay + self.server.drain_timeout + FLUSH_TIMEOUT
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            request_timeout: bounds::REQUEST_TIMEOUT.default,
            max_concurrent_streams: bounds::MAX_CONCURRENT_STREAMS.default,
            max_concurrent_calls: bounds::MAX_CONCURRENT_CALLS.default,
            max_connection_age: bounds::MAX_CONNECTION_AGE.default,
            reflection: Reflection::Enabled,
            drain_delay: bounds::DRAIN_DELAY.default,
            drain_timeout: bounds::DRAIN_TIMEOUT.default,
        }
    }
}

/// A setting that is one of a few words.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Every value with the word for it.
    const WORDS: &'static [(&'static str, Self)];

    fn parse(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, value)| *value)
    }

    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("", |(word, _)| word)
    }

    fn accepted() -> String {
        let words: Vec<_> = Self::WORDS.iter().map(|(word, _)| *word).collect();
        words.join(" | ")
    }
}

impl Choice for Storage {
    const WORDS: &'static [(&'static str, Self)] =
        &[("memory", Self::Memory), ("mongodb", Self::Mongodb)];
}

impl Choice for Reflection {
    const WORDS: &'static [(&'static str, Self)] =
        &[("enabled", Self::Enabled), ("disabled", Self::Disabled)];
}

impl Choice for Events {
    const WORDS: &'static [(&'static str, Self)] =
        &[("stdout", Self::Stdout), ("kafka", Self::Kafka)];
}
