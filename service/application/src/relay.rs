//! From the outbox to the publisher.
//!
//! One relay of all that run is active, by a lease. What keeps the order does not rest on it: a relay sends an event of
//! a user only after it has seen every earlier one acknowledged or given up, in the outbox or by itself. So whoever
//! else sends at the same time, a relay that was frozen past its lease and woke again included, can only repeat events;
//! their first appearances are in order.

mod backoff;
mod contract;
mod held;
mod lease;
mod stop;

use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::Duration;

use futures::future::{self, Either};
use user_domain::EventId;

pub use backoff::Backoff;
pub use contract::{RelayError, RelayObserver, RelayPolicy};
use held::Held;
use lease::Lease;
use stop::Stop;

use crate::{Epoch, EventPublisher, Outbox, OutboxError, OutboxRecord, PublishError, Timer};

/// Events taken at a time: enough to make a round trip worth it, few enough to hold in memory.
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// Between two looks at the outbox when nothing comes in: at first, and doubling up to at last.
const IDLE: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(1500)];

/// Rounds in a row with nothing but failures until the lease is given up.
const YIELD_AFTER: u32 = 8;

/// Publishes what the outbox holds, at least once, and for each user in order.
#[derive(Debug)]
pub struct Relay<O, P, T, W> {
    outbox: O,
    publisher: P,
    timer: T,
    observer: W,
    policy: RelayPolicy,
}

/// Why a relay is not the active one any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Stopped,
    LeaseLost,
    /// It gets nothing through time and again; another one may, from where it runs.
    Stuck,
}

/// What came of the events of one user.
struct Sent {
    published: Vec<OutboxRecord>,
    failed: Option<Failed>,
}

/// An event that was not published.
struct Failed {
    record: OutboxRecord,
    error: PublishError,
    /// Whether it is at the dead letters; absent if it is not given up.
    letter: Option<Result<(), PublishError>>,
}

impl<O: Outbox, P: EventPublisher, T: Timer, W: RelayObserver> Relay<O, P, T, W> {
    /// A relay between these ports.
    pub const fn new(outbox: O, publisher: P, timer: T, observer: W, policy: RelayPolicy) -> Self {
        Self {
            outbox,
            publisher,
            timer,
            observer,
            policy,
        }
    }

    /// Publishes whenever it is the active relay, until `stop` resolves. Then what is in hand is finished and the lease
    /// given back; if the outbox does not outlive the process, what it holds is published first. Failures are retried
    /// without end, so that no event is lost. Whoever has to stop in time drops the future.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let stop = pin!(stop);
        let mut stop = Stop::new(stop);
        let mut failures = 0;
        loop {
            let before = self.timer.now();
            let pause = match self
                .outbox
                .claim(self.policy.holder, self.policy.lease)
                .await
            {
                Ok(Some(epoch)) => {
                    failures = 0;
                    let lease = Lease::new(epoch, before + self.policy.lease);
                    match self.lead(&lease, &mut stop).await {
                        Ended::Stopped => break,
                        Ended::LeaseLost => Duration::ZERO,
                        Ended::Stuck => {
                            self.release().await;
                            // Longer than the others take to look.
                            self.policy.lease / 2
                        }
                    }
                }
                Ok(None) => self.policy.lease / 5,
                Err(error) => self.failed(&error.into(), &mut failures),
            };
            stop.or(self.timer.sleep(pause)).await;
            if stop.has_come() {
                break;
            }
        }
        self.release().await;
    }

    async fn release(&self) {
        if let Err(error) = self.outbox.release(self.policy.holder).await {
            self.observer.retrying(&error.into(), self.policy.lease);
        }
    }

    /// Works and renews the lease side by side.
    async fn lead<F: Future<Output = ()> + Send>(
        &self,
        lease: &Lease,
        stop: &mut Stop<'_, F>,
    ) -> Ended {
        self.observer.active(true);
        let work = pin!(self.work(lease, stop));
        let lost = pin!(self.renew(lease));
        let ended = match future::select(work, lost).await {
            Either::Left((ended, _)) => ended,
            Either::Right(((), _)) => Ended::LeaseLost,
        };
        self.observer.active(false);
        ended
    }

    /// Renews the lease until that fails for good.
    async fn renew(&self, lease: &Lease) {
        loop {
            self.timer.sleep(self.policy.lease / 5).await;
            let before = self.timer.now();
            match self
                .outbox
                .claim(self.policy.holder, self.policy.lease)
                .await
            {
                Ok(Some(epoch)) if epoch == lease.epoch => lease.extend(before + self.policy.lease),
                Ok(_) => return,
                Err(_) if lease.left(self.timer.now()).is_zero() => return,
                Err(_) => {}
            }
        }
    }

    async fn work<F: Future<Output = ()> + Send>(
        &self,
        lease: &Lease,
        stop: &mut Stop<'_, F>,
    ) -> Ended {
        let mut held = Held::default();
        let mut failures = 0;
        let mut idle = IDLE[0];
        loop {
            let left = lease.left(self.timer.now());
            if left.is_zero() {
                return Ended::LeaseLost;
            }
            let stopping = stop.has_come();
            if stopping && O::DURABLE {
                return Ended::Stopped;
            }
            let may_send =
                left >= self.policy.publish_within && held.len(self.timer.now()) < BATCH.get();
            let outcome = if may_send {
                self.round(lease.epoch, &mut held).await
            } else {
                Ok(0)
            };
            let pause = match outcome {
                Ok(0) if stopping && may_send && held.is_empty() => return Ended::Stopped,
                Ok(0) => {
                    failures = 0;
                    let pause = held.next_due(self.timer.now()).unwrap_or(idle).min(idle);
                    idle = idle.saturating_mul(2).min(IDLE[1]);
                    pause
                }
                Ok(_) => {
                    failures = 0;
                    idle = IDLE[0];
                    continue;
                }
                // Little time is left then.
                Err(error) if stopping => self.failed(&error, &mut 0),
                Err(error) => {
                    let pause = self.failed(&error, &mut failures);
                    let unheard = matches!(error, RelayError::Publish(_));
                    if O::DURABLE && unheard && failures >= YIELD_AFTER {
                        return Ended::Stuck;
                    }
                    pause
                }
            };
            self.rest(pause, failures > 0, stop).await;
        }
    }

    /// Pauses until there may be something to do. What is added does not end the pause after a failure.
    async fn rest<F: Future<Output = ()> + Send>(
        &self,
        pause: Duration,
        failed: bool,
        stop: &mut Stop<'_, F>,
    ) {
        let slept = pin!(self.timer.sleep(pause));
        if failed {
            stop.or(slept).await;
        } else {
            let added = pin!(self.outbox.added());
            stop.or(future::select(slept, added)).await;
        }
    }

    /// Reports a failure and says how long to pause for it.
    fn failed(&self, error: &RelayError, failures: &mut u32) -> Duration {
        *failures = failures.saturating_add(1);
        let pause = self
            .timer
            .jitter(self.policy.backoff.longest_pause(*failures));
        self.observer.retrying(error, pause);
        pause
    }

    /// Publishes the oldest events, those of one user one after the other, those of different users side by side; how
    /// many were out or given up.
    async fn round(&self, epoch: Epoch, held: &mut Held) -> Result<usize, RelayError> {
        held.let_go(self.timer.now());
        let records = self.outbox.pending(BATCH, &held.users()).await?;
        let sent =
            future::join_all(by_user(records).into_iter().map(|chain| self.send(chain))).await;
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for sent in sent {
            done.extend(sent.published);
            failed.extend(sent.failed);
        }
        self.acknowledge(&done).await?;
        let mut settled = done.len();
        let mut outage = None;
        for Failed {
            record,
            error,
            letter,
        } in failed
        {
            if matches!(error, PublishError::Unavailable(_)) {
                self.hold(held, &record);
                outage = Some(error);
                continue;
            }
            match self.settle(&record, &error, letter, epoch).await {
                Ok(true) => settled += 1,
                Ok(false) => self
                    .observer
                    .retrying(&error.into(), self.hold(held, &record)),
                Err(error) => self.observer.retrying(&error, self.hold(held, &record)),
            }
        }
        match outage {
            // Nothing gets through: one pause for all instead of one for each.
            Some(error) if settled == 0 => {
                held.clear();
                Err(error.into())
            }
            Some(error) => {
                self.observer.retrying(&error.into(), Duration::ZERO);
                Ok(settled)
            }
            None => Ok(settled),
        }
    }

    /// Passes the user of this event over for a while; for how long.
    fn hold(&self, held: &mut Held, record: &OutboxRecord) -> Duration {
        let user = record.event.user_id();
        let failures = held.failures(user).saturating_add(1);
        let pause = self
            .timer
            .jitter(self.policy.backoff.longest_pause(failures));
        held.hold(user, self.timer.now() + pause);
        pause
    }

    /// Publishes the events of one user in order, up to the first that fails; if that one is given up, it goes to the
    /// dead letters.
    async fn send(&self, chain: Vec<OutboxRecord>) -> Sent {
        let mut published = Vec::with_capacity(chain.len());
        let mut failed = None;
        for record in chain {
            match self.publisher.publish(&record).await {
                Ok(()) => published.push(record),
                Err(error) => {
                    let letter = if self.gives_up(&record, &error) {
                        Some(self.publisher.publish_dead_letter(&record, &error).await)
                    } else {
                        None
                    };
                    failed = Some(Failed {
                        record,
                        error,
                        letter,
                    });
                    break;
                }
            }
        }
        Sent { published, failed }
    }

    fn gives_up(&self, record: &OutboxRecord, error: &PublishError) -> bool {
        match error {
            PublishError::Unavailable(_) => false,
            PublishError::Unpublishable(_) => true,
            PublishError::Refused(_) => record.attempts.saturating_add(1) >= self.policy.attempts,
        }
    }

    async fn acknowledge(&self, done: &[OutboxRecord]) -> Result<(), OutboxError> {
        if done.is_empty() {
            return Ok(());
        }
        let ids: Vec<EventId> = done.iter().map(|record| record.event.id()).collect();
        self.outbox.acknowledge(&ids).await?;
        self.observer.published(done);
        Ok(())
    }

    /// Writes down a failure that is the event's own; whether it is pending no more.
    async fn settle(
        &self,
        record: &OutboxRecord,
        error: &PublishError,
        letter: Option<Result<(), PublishError>>,
        epoch: Epoch,
    ) -> Result<bool, RelayError> {
        let event = record.event.id();
        let Some(letter) = letter else {
            self.outbox.count_attempt(event, epoch).await?;
            return Ok(false);
        };
        letter?;
        self.outbox.bury(event, epoch, error.reason()).await?;
        self.observer.buried(record, error);
        Ok(true)
    }
}

/// The events of each user together, users in the order of their first event.
fn by_user(records: Vec<OutboxRecord>) -> Vec<Vec<OutboxRecord>> {
    let mut places = std::collections::HashMap::with_capacity(records.len());
    let mut chains: Vec<Vec<OutboxRecord>> = Vec::with_capacity(records.len());
    for record in records {
        let place = *places.entry(record.event.user_id()).or_insert(chains.len());
        match chains.get_mut(place) {
            Some(chain) => chain.push(record),
            None => chains.push(vec![record]),
        }
    }
    chains
}
