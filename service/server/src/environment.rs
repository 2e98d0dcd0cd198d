//! Time and identifiers from the system.

use std::time::{Duration, Instant, SystemTime};

use user_application::{Clock, IdGenerator, Timer};
use user_domain::{EventId, UserId};
use uuid::Uuid;

/// The system's clock, cut to milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let below_a_millisecond =
            Duration::from_nanos(u64::from(since_epoch.subsec_nanos() % 1_000_000));
        SystemTime::UNIX_EPOCH + since_epoch.saturating_sub(below_a_millisecond)
    }
}

/// The runtime's timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuntimeTimer;

impl Timer for RuntimeTimer {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }

    fn jitter(&self, longest: Duration) -> Duration {
        longest.mul_f64(rand::random())
    }
}

/// UUIDs of version 7: they grow with time, which keeps inserts at the right edge of an index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeOrderedIds;

impl IdGenerator for TimeOrderedIds {
    fn user_id(&self) -> UserId {
        UserId::new(Uuid::now_v7())
    }

    fn event_id(&self) -> EventId {
        EventId::new(Uuid::now_v7())
    }
}
