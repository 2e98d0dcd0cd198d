//! What each bounded setting may be. The operator checks with these same constants; its schema has to write them out in
//! CEL, and its tests hold the two together.

use std::ops::RangeInclusive;
use std::time::Duration;

/// An inclusive range with the default that lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds<T> {
    /// Smallest accepted value.
    pub min: T,
    /// Value in force when nothing is set.
    pub default: T,
    /// Largest accepted value.
    pub max: T,
}

impl<T: Copy + PartialOrd> Bounds<T> {
    /// Whether `value` is accepted.
    pub fn contains(&self, value: T) -> bool {
        self.range().contains(&value)
    }

    /// The accepted values as a standard range.
    pub const fn range(&self) -> RangeInclusive<T> {
        self.min..=self.max
    }
}

/// Longest time the server spends on one call, whatever deadline the client asked for.
pub const REQUEST_TIMEOUT: Bounds<Duration> = Bounds {
    min: Duration::from_millis(100),
    default: Duration::from_secs(5),
    max: Duration::from_mins(1),
};

/// Calls that one connection may have in flight (`SETTINGS_MAX_CONCURRENT_STREAMS`, RFC 9113 §6.5.2).
pub const MAX_CONCURRENT_STREAMS: Bounds<u32> = Bounds {
    min: 1,
    default: 256,
    max: 65_535,
};

/// Calls that the whole process may have in flight.
pub const MAX_CONCURRENT_CALLS: Bounds<u32> = Bounds {
    min: 1,
    default: 1_024,
    max: 65_535,
};

/// How long a connection lives until its client is asked to make a new one (gRPC's `MAX_CONNECTION_AGE`).
pub const MAX_CONNECTION_AGE: Bounds<Duration> = Bounds {
    min: Duration::from_mins(1),
    default: Duration::from_mins(30),
    max: Duration::from_hours(24),
};

/// How long calls are still taken after `NOT_SERVING` was announced.
pub const DRAIN_DELAY: Bounds<Duration> = Bounds {
    min: Duration::ZERO,
    default: Duration::from_secs(1),
    max: Duration::from_mins(1),
};

/// How long calls in flight may take to finish once no new ones are taken.
pub const DRAIN_TIMEOUT: Bounds<Duration> = Bounds {
    min: Duration::from_secs(1),
    default: Duration::from_secs(20),
    max: Duration::from_mins(10),
};

/// How long a TLS handshake may take; as long again it may wait for its turn, when many come at the same time.
pub const TLS_HANDSHAKE_TIMEOUT: Bounds<Duration> = Bounds {
    min: Duration::from_secs(1),
    default: Duration::from_secs(5),
    max: Duration::from_mins(1),
};

/// How long a deleted user can come back until it is gone for good. Longer than request ids are remembered, so that none
/// outlives the user that it made.
pub const PURGE_DELAY: Bounds<Duration> = Bounds {
    min: Duration::from_hours(25),
    default: Duration::from_hours(30 * 24),
    max: Duration::from_hours(3650 * 24),
};

/// Connections that each pod keeps to the database at most.
pub const MONGODB_MAX_POOL_SIZE: Bounds<u32> = Bounds {
    min: 1,
    default: 64,
    max: 1_000,
};

/// Connections that each pod keeps to the database even when idle, so that a burst does not wait for handshakes.
pub const MONGODB_MIN_POOL_SIZE: Bounds<u32> = Bounds {
    min: 0,
    default: 8,
    max: 1_000,
};

/// How long a published event stays in the outbox collection; zero removes it as soon as it is acknowledged.
pub const OUTBOX_RETENTION: Bounds<Duration> = Bounds {
    min: Duration::ZERO,
    default: Duration::from_hours(1),
    max: Duration::from_hours(30 * 24),
};

/// How long an event may wait in the producer for its acknowledgement until the attempt counts as failed
/// (`delivery.timeout.ms`). Below the lease of the relay, so that a relay that lost it has nothing left to send.
pub const KAFKA_DELIVERY_TIMEOUT: Bounds<Duration> = Bounds {
    min: Duration::from_secs(1),
    default: Duration::from_secs(8),
    max: Duration::from_secs(10),
};
