//! Fakes for the ports.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use user_domain::{EventId, UserEvent, UserId};

use crate::{
    Clock, EventPublisher, IdGenerator, PublishError, PublishFailure, RelayError, RelayObserver,
    Timer,
};

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub SystemTime);

impl Clock for FixedClock {
    fn now(&self) -> SystemTime {
        self.0
    }
}

/// Identifiers that count up.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl SequentialIds {
    pub(crate) fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

impl From<u16> for SequentialIds {
    /// Ranges that do not overlap for different numbers.
    fn from(number: u16) -> Self {
        Self(AtomicU64::new(u64::from(number) << 32))
    }
}

impl IdGenerator for SequentialIds {
    fn user_id(&self) -> UserId {
        UserId::new(self.uuid())
    }

    fn event_id(&self) -> EventId {
        EventId::new(self.uuid())
    }
}

/// A timer that does not wait, but lets other tasks run.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImmediateTimer;

impl Timer for ImmediateTimer {
    async fn sleep(&self, _pause: Duration) {
        let mut yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
}

/// A publisher that keeps what it is given, fails as often as it is told to, and notes what the relay reports.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    published: Mutex<Vec<EventId>>,
    pauses: Mutex<Vec<Duration>>,
    failures_left: AtomicU32,
    acknowledged: AtomicU64,
}

impl Recorder {
    /// Fails this many times before it works; each failing attempt still publishes the first event of its batch.
    pub fn failing(times: u32) -> Self {
        let recorder = Self::default();
        recorder.0.failures_left.store(times, Ordering::Relaxed);
        recorder
    }

    /// What was published, in order.
    pub fn published(&self) -> Vec<EventId> {
        self.0
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The pauses that the relay reported.
    pub fn pauses(&self) -> Vec<Duration> {
        self.0
            .pauses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many events the relay reported as published and acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.0.acknowledged.load(Ordering::Relaxed)
    }

    fn fails_now(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.0
            .failures_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }
}

impl EventPublisher for Recorder {
    async fn publish(&self, events: &[UserEvent]) -> Result<(), PublishFailure> {
        let fails = self.fails_now();
        let taken = if fails { 1 } else { events.len() };
        let ids = events.iter().take(taken).map(UserEvent::id);
        self.0
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(ids);
        if fails {
            let error = PublishError::Unavailable("told to fail".into());
            return Err(PublishFailure {
                published: taken,
                error,
            });
        }
        Ok(())
    }
}

impl RelayObserver for Recorder {
    fn published(&self, events: usize) {
        self.0
            .acknowledged
            .fetch_add(u64::try_from(events).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn retrying(&self, _error: &RelayError, pause: Duration) {
        self.0
            .pauses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pause);
    }
}
