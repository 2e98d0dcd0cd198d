//! Time, chance and identifiers.

use std::time::{Duration, Instant, SystemTime};

use user_domain::{EventId, UserId};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now, cut to whole milliseconds: every storage keeps that much, so a user read back equals the user created.
    fn now(&self) -> SystemTime;
}

/// Lets time pass.
pub trait Timer: Send + Sync + 'static {
    /// Now, on a clock that never goes back.
    fn now(&self) -> Instant;

    /// Returns after `pause`. Safe to drop.
    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send;

    /// A pause by chance, anything from zero to `longest`.
    fn jitter(&self, longest: Duration) -> Duration;
}

/// Gives identifiers that nobody has used before.
pub trait IdGenerator: Send + Sync + 'static {
    /// For a new user.
    fn user_id(&self) -> UserId;

    /// For a new event.
    fn event_id(&self) -> EventId;
}
