//! Fakes for the ports.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use user_domain::{EventId, UserId};

use super::new_user;
use super::publisher::{Destination, record};
use crate::{
    Clock, EventPublisher, IdGenerator, OutboxRecord, PublishError, RelayError, RelayObserver,
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

/// A timer that does not wait but lets its own time pass, and other tasks run. By chance is always the longest.
#[derive(Clone, Debug)]
pub struct ImmediateTimer {
    start: Instant,
    passed: Arc<AtomicU64>,
}

impl Default for ImmediateTimer {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            passed: Arc::default(),
        }
    }
}

impl ImmediateTimer {
    /// Lets time pass at once, as it does for a process that is frozen.
    pub fn jump(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.passed.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Timer for ImmediateTimer {
    fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.passed.load(Ordering::Relaxed))
    }

    async fn sleep(&self, pause: Duration) {
        let until = self.now() + pause;
        // In small steps, so that of two pauses side by side the shorter one ends first.
        while self.now() < until {
            self.passed.fetch_add(1_000, Ordering::Relaxed);
            yield_once().await;
        }
    }

    fn jitter(&self, longest: Duration) -> Duration {
        longest
    }
}

async fn yield_once() {
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

/// How a [`Recorder`] fails for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// As if the other side were away.
    Unavailable,
    /// As if the other side refused the event.
    Refused,
    /// As if the event could never be published.
    Unpublishable,
}

/// A publisher that keeps what it is given, fails where it is told to, and notes what the relay reports.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Noted>>);

/// What a [`Recorder`] noted, and what it is told.
#[derive(Debug, Default)]
pub struct Noted {
    /// Events that were published, in order.
    pub published: Vec<EventId>,
    /// Events that were published as dead letters.
    pub dead: Vec<EventId>,
    /// Pauses that the relay reported.
    pub pauses: Vec<Duration>,
    /// Whether a failure is the last that the relay reported of how it gets on.
    pub is_failing: bool,
    /// Events that the relay reported as acknowledged.
    pub acknowledged: Vec<EventId>,
    /// Events that the relay reported as published and marked so.
    pub marked: Vec<EventId>,
    /// Events that the relay reported as given up.
    pub buried: Vec<EventId>,
    /// How often the relay became the active one.
    pub activations: usize,
    /// Until when it said that it is.
    pub leads_until: Option<Instant>,
    /// Fails so often for whatever comes, as if the other side were away.
    pub outages_left: u32,
    /// Fails for these events, so often.
    pub poison: HashMap<EventId, (Fails, u32)>,
    /// Fails for these users for good, as if their part of the other side were away.
    pub unreachable: Vec<UserId>,
}

impl Recorder {
    /// What it noted so far; also the place to tell it things.
    pub fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn is_away(&mut self) -> bool {
        let away = self.outages_left > 0;
        self.outages_left = self.outages_left.saturating_sub(1);
        away
    }

    fn failure(&mut self, record: &OutboxRecord) -> Option<Fails> {
        if self.is_away() {
            return Some(Fails::Unavailable);
        }
        if self.unreachable.contains(&record.event.user_id()) {
            return Some(Fails::Unavailable);
        }
        let (fails, left) = self.poison.get_mut(&record.event.id())?;
        *left = left.checked_sub(1)?;
        Some(*fails)
    }
}

impl EventPublisher for Recorder {
    async fn publish(&self, record: &OutboxRecord) -> Result<(), PublishError> {
        yield_once().await;
        let mut noted = self.noted();
        match noted.failure(record) {
            Some(Fails::Unavailable) => Err(PublishError::Unavailable("told to fail".into())),
            Some(Fails::Refused) => Err(PublishError::Refused("told to fail".into())),
            Some(Fails::Unpublishable) => Err(PublishError::Unpublishable("told to fail".into())),
            None => {
                noted.published.push(record.event.id());
                Ok(())
            }
        }
    }

    async fn publish_dead_letter(
        &self,
        record: &OutboxRecord,
        _reason: &PublishError,
    ) -> Result<(), PublishError> {
        let mut noted = self.noted();
        if noted.is_away() {
            return Err(PublishError::Unavailable("told to fail".into()));
        }
        noted.dead.push(record.event.id());
        Ok(())
    }
}

/// Passes the contract of a publisher as adapters do, so what is tested over it may rely on that.
impl Destination for Recorder {
    type Publisher = Self;

    fn publisher(&self) -> Self {
        self.clone()
    }

    fn within(&self) -> Duration {
        Duration::ZERO
    }

    async fn published(&self) -> Vec<EventId> {
        self.noted().published.clone()
    }

    async fn dead_letters(&self) -> Vec<EventId> {
        self.noted().dead.clone()
    }

    fn poison(&self) -> Vec<OutboxRecord> {
        let fails = [Fails::Refused, Fails::Unpublishable];
        let poison = (1..).zip(fails).map(|(number, fails)| {
            let (_, event) = new_user(number, "ada@example.com");
            let always = (fails, u32::MAX);
            self.noted().poison.insert(event.id(), always);
            record(event)
        });
        poison.collect()
    }

    async fn goes_away(&self) {
        self.noted().outages_left = u32::MAX;
    }

    async fn comes_back(&self) {
        self.noted().outages_left = 0;
    }

    async fn pause(&self) {
        yield_once().await;
    }
}

impl RelayObserver for Recorder {
    fn leads(&self, until: Option<Instant>) {
        let mut noted = self.noted();
        noted.activations += usize::from(until.is_some() && noted.leads_until.is_none());
        noted.leads_until = until;
    }

    fn acknowledged(&self, record: &OutboxRecord) {
        self.noted().acknowledged.push(record.event.id());
    }

    fn published(&self, records: &[OutboxRecord]) {
        let ids = records.iter().map(|record| record.event.id());
        let mut noted = self.noted();
        noted.marked.extend(ids);
        noted.is_failing = false;
    }

    fn retrying(&self, _error: &RelayError, pause: Duration) {
        let mut noted = self.noted();
        noted.pauses.push(pause);
        noted.is_failing = true;
    }

    fn rests(&self) {
        self.noted().is_failing = false;
    }

    fn buried(&self, record: &OutboxRecord, _error: &PublishError) {
        self.noted().buried.push(record.event.id());
    }
}
