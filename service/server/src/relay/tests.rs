//! What is shown of the outbox, and how a relay is left, on a clock that goes on by itself where nothing else happens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::num::NonZeroUsize;
use std::sync::Mutex;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use user_adapter_memory::{Capacity, MemoryStorage};
use user_application::testkit::publisher::Destination as _;
use user_application::testkit::{Recorder, new_user, write};
use user_application::{Backlog, Epoch, OutboxError, UserRepository as _};
use user_domain::{EventId, UserId};
use user_settings::{Kafka, bounds, metric};

use super::*;
use crate::kafka;
use crate::metrics::Metrics;

/// Between two looks at what is shown.
const MOMENT: Duration = Duration::from_millis(100);
/// Long enough for a relay to give its lease up many times.
const OUTAGE: Duration = Duration::from_mins(10);

/// A memory that relays take for one that outlives them, with a lease as in a database: whoever claims it anew that has
/// just given it back is in the same epoch still.
#[derive(Clone)]
struct Shared {
    memory: MemoryStorage,
    holder: Arc<Mutex<Option<RelayId>>>,
    /// Until it is told that a lease was given back, which it is before.
    release_takes: Duration,
}

impl Outbox for Shared {
    const DURABLE: bool = true;

    async fn claim(&self, holder: RelayId, _: Duration) -> Result<Option<Epoch>, OutboxError> {
        let is_mine = *self.holder.lock().unwrap().get_or_insert(holder) == holder;
        Ok(is_mine.then_some(Epoch(1)))
    }

    async fn release(&self, holder: RelayId) -> Result<(), OutboxError> {
        self.holder.lock().unwrap().take_if(|it| *it == holder);
        tokio::time::sleep(self.release_takes).await;
        Ok(())
    }

    async fn added(&self) {
        self.memory.added().await;
    }

    async fn pending(
        &self,
        limit: NonZeroUsize,
        except: &[UserId],
    ) -> Result<Vec<OutboxRecord>, OutboxError> {
        self.memory.pending(limit, except).await
    }

    async fn acknowledge(&self, published: &[EventId]) -> Result<(), OutboxError> {
        self.memory.acknowledge(published).await
    }

    async fn count_attempt(&self, event: EventId, epoch: Epoch) -> Result<(), OutboxError> {
        self.memory.count_attempt(event, epoch).await
    }

    async fn bury(
        &self,
        event: EventId,
        epoch: Epoch,
        reason: &'static str,
    ) -> Result<(), OutboxError> {
        self.memory.bury(event, epoch, reason).await
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        self.memory.backlog().await
    }
}

/// An outbox with an event in it.
async fn outbox() -> Shared {
    let memory = MemoryStorage::new(Capacity::default());
    let (user, event) = new_user(1, "ada@example.com");
    memory.create(user, event, None, write()).await.unwrap();
    Shared {
        memory,
        holder: Arc::default(),
        release_takes: Duration::ZERO,
    }
}

/// What one process shows of its relay.
struct Shown(Registry);

impl Shown {
    fn value(&self, name: &str) -> f64 {
        let mut scraped = String::new();
        text::encode(&mut scraped, &self.0).unwrap();
        let value = scraped.lines().find_map(|line| line.strip_prefix(name));
        value.expect(name).trim().parse().expect(name)
    }

    fn is_active(&self) -> bool {
        self.value(metric::OUTBOX_RELAY_ACTIVE) > 0.0
    }

    fn waits(&self) -> bool {
        let pending = self.value(metric::OUTBOX_PENDING) > 0.0;
        assert_eq!(self.value(metric::OUTBOX_OLDEST_PENDING_AGE) > 0.0, pending);
        pending
    }

    /// Lets so much time pass at most until this shows; how much it took.
    async fn until(&self, bound: Duration, shows: impl Fn(&Self) -> bool) -> Duration {
        let start = tokio::time::Instant::now();
        while !shows(self) {
            assert!(start.elapsed() < bound, "not within {bound:?}");
            tokio::time::sleep(MOMENT).await;
        }
        start.elapsed()
    }
}

fn relay(outbox: &Shared, publisher: impl EventPublisher) -> Shown {
    stoppable(outbox, publisher, CancellationToken::new()).0
}

fn stoppable(
    outbox: &Shared,
    publisher: impl EventPublisher,
    stop: CancellationToken,
) -> (Shown, JoinHandle<()>) {
    let (metrics, registry) = Metrics::register(SystemTime::now()).unwrap();
    let journal = Journal::new(&metrics);
    let within = Duration::from_secs(5);
    let outbox = outbox.clone();
    let relay = spawn(outbox, publisher, within, metrics.relay, journal, stop);
    (Shown(registry), relay)
}

/// Never answers.
struct Silent;

impl EventPublisher for Silent {
    async fn publish(&self, _: &OutboxRecord) -> Result<(), PublishError> {
        std::future::pending().await
    }

    async fn publish_dead_letter(
        &self,
        _: &OutboxRecord,
        _: &PublishError,
    ) -> Result<(), PublishError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_shown_all_the_time_that_nothing_gets_through() {
    let publisher = Recorder::default();
    publisher.goes_away().await;
    let shown = relay(&outbox().await, publisher);
    shown.until(MOMENT * 2, Shown::is_active).await;
    shown.until(MOMENT * 2, Shown::waits).await;
    let end = tokio::time::Instant::now() + OUTAGE;
    let mut given_up = 0;
    while tokio::time::Instant::now() < end {
        assert!(shown.waits(), "given up so often: {given_up}");
        let was_active = shown.is_active();
        tokio::time::sleep(MOMENT).await;
        given_up += u32::from(was_active && !shown.is_active());
    }
    assert!(given_up > 3, "given up so often: {given_up}");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_another_took_over_from_shows_in_the_end_that_nothing_waits() {
    let outbox = outbox().await;
    let publisher = Recorder::default();
    publisher.goes_away().await;
    let stuck = relay(&outbox, publisher);
    stuck.until(MOMENT * 2, Shown::waits).await;
    let other = relay(&outbox, Recorder::default());
    other.until(OUTAGE, Shown::is_active).await;
    assert!(stuck.waits(), "for whoever took over has hardly counted");
    let forgets = stuck.until(OUTAGE, |shown| !shown.waits()).await;
    assert!(forgets <= FORGET_AFTER + BACKLOG_EVERY * 2, "{forgets:?}");
    assert!(other.is_active() && !other.waits());
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_left_does_not_take_the_lease_again_that_it_gives_back() {
    let mut outbox = outbox().await;
    outbox.release_takes = LEASE;
    let stop = CancellationToken::new();
    let (shown, relay) = stoppable(&outbox, Silent, stop.clone());
    shown.until(MOMENT * 2, Shown::is_active).await;
    stop.cancel();
    let asked = tokio::time::Instant::now();
    relay.await.unwrap();
    assert!(asked.elapsed() >= FINISH_WITHIN, "it had something in hand");
    let next = outbox.claim(RelayId(Uuid::new_v4()), LEASE).await.unwrap();
    assert!(next.is_some());
}

#[test]
fn a_lease_that_was_renewed_in_time_outlasts_the_longest_attempt_to_publish() {
    let slowest = Kafka {
        delivery_timeout: bounds::KAFKA_DELIVERY_TIMEOUT.max,
        ..Kafka::default()
    };
    let within = kafka::options(&slowest).publish_within();
    assert!(within > slowest.delivery_timeout);
    // A fifth of it passes until it is renewed. With nothing to spare, as now, a relay with the longest timeout begins to
    // send nothing new while the renewal is on its way.
    assert!(within + LEASE / 5 <= LEASE, "{within:?}");
}
