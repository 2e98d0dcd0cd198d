//! What the active relay does: fetching, sending and marking as sent go on side by side.
//!
//! The events of a user are in hand from when they are fetched until what became of them is written down, and a user
//! with events in hand is left out of fetching. So the stages overlap for different users, never for one: none of its
//! events is sent before the one ahead of it is acknowledged, and none is fetched again while it is being marked.

mod looks;
mod trouble;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use futures::future::{self, Either};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};

use self::looks::{Fetched, IDLE};
use self::trouble::Outage;
use super::chain::{Failed, Sent};
use super::hand::Hand;
use super::held::Held;
use super::{BATCH, Ended, Lease, Relay, Stop};
use crate::{EventPublisher, Outbox, OutboxError, OutboxRecord, RelayError, RelayObserver, Timer};

/// Something that was begun has ended.
enum Done {
    Fetched(Result<Fetched, OutboxError>),
    Sent(Sent),
    Marked(Vec<OutboxRecord>, Result<(), OutboxError>),
    Judged(OutboxRecord, Result<(), RelayError>),
}

/// Why a wait is over.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one, and it is used up at once"
)]
enum Woken {
    Done(Done),
    /// Something was added to the outbox.
    Hint,
    /// The time is up, or the word to stop has come.
    Time,
}

type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send + 'a>>>;

/// The state of an active relay.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says of one stage whether it is busy"
)]
pub(super) struct Work<'a, O, P, T, W> {
    relay: &'a Relay<O, P, T, W>,
    lease: &'a Lease,
    running: Running<'a>,
    hand: Hand,
    held: Held,
    stopping: bool,
    fetching: bool,
    /// The last fetch found nothing, and nothing has become free to be fetched since.
    is_empty: bool,
    /// More may wait behind what the last fetch found.
    is_full: bool,
    /// When to fetch next, and how long to wait after a fetch that finds nothing.
    look_at: Instant,
    /// Not before, whatever is added.
    soonest: Instant,
    idle: Duration,
    /// Out and not yet marked.
    published: Vec<OutboxRecord>,
    marking: bool,
    /// Failed by their own fault, and not yet written down.
    failed: VecDeque<Failed>,
    judging: bool,
    /// What got through since the last verdict about an outage.
    through: usize,
    outage: Option<Outage>,
    outages: u32,
    /// Nothing has got through for so long that the lease is given up once nothing is in hand.
    is_stuck: bool,
    outbox_failures: u32,
    /// Nothing is asked of the outbox before.
    resume_at: Instant,
}

impl<'a, O: Outbox, P: EventPublisher, T: Timer, W: RelayObserver> Work<'a, O, P, T, W> {
    pub(super) fn new(relay: &'a Relay<O, P, T, W>, lease: &'a Lease) -> Self {
        let now = relay.timer.now();
        Self {
            relay,
            lease,
            running: FuturesUnordered::new(),
            hand: Hand::default(),
            held: Held::default(),
            stopping: false,
            fetching: false,
            is_empty: false,
            is_full: false,
            look_at: now,
            soonest: now,
            idle: IDLE[0],
            published: Vec::new(),
            marking: false,
            failed: VecDeque::new(),
            judging: false,
            through: 0,
            outage: None,
            outages: 0,
            is_stuck: false,
            outbox_failures: 0,
            resume_at: now,
        }
    }

    /// Works until the lease is lost, or nothing gets through, or what has to be finished after the word to stop is.
    pub(super) async fn run<F>(mut self, stop: &mut Stop<'_, F>) -> Ended
    where
        F: Future<Output = ()> + Send,
    {
        loop {
            let now = self.relay.timer.now();
            if self.lease.left(now).is_zero() {
                return Ended::LeaseLost;
            }
            if !self.stopping && stop.has_come() {
                self.stopping = true;
                self.is_free(now);
            }
            if self.judge_outage(now) {
                return Ended::Stuck;
            }
            if self.is_finished() {
                return Ended::Stopped;
            }
            self.begin(now);
            self.wait(now, stop).await;
        }
    }

    /// Begins what can be begun.
    fn begin(&mut self, now: Instant) {
        let relay = self.relay;
        if now < self.resume_at {
            return;
        }
        if !self.marking && !self.published.is_empty() {
            self.marking = true;
            let count = self.published.len().min(BATCH.get());
            let records: Vec<_> = self.published.drain(..count).collect();
            self.running.push(Box::pin(async move {
                let marked = relay.acknowledge(&records).await;
                Done::Marked(records, marked)
            }));
        }
        // One at a time: each is a transaction on the lease, so that several would only collide.
        if !self.judging
            && let Some(failed) = self.failed.pop_front()
        {
            self.judging = true;
            let epoch = self.lease.epoch;
            self.running.push(Box::pin(async move {
                let (record, judged) = relay.judge(failed, epoch).await;
                Done::Judged(record, judged)
            }));
        }
        if self.look_in(now).is_some_and(|pause| pause.is_zero()) {
            self.fetch(now);
        }
    }

    /// Waits until something that runs has ended, or something can be begun.
    async fn wait<F>(&mut self, now: Instant, stop: &mut Stop<'_, F>)
    where
        F: Future<Output = ()> + Send,
    {
        match self.woken(now, stop).await {
            Woken::Done(done) => {
                self.take(done);
                // Whatever else has ended by now, so that the next stage gets it together.
                while let Some(Some(done)) = self.running.next().now_or_never() {
                    self.take(done);
                }
            }
            Woken::Hint => self.is_free(self.relay.timer.now()),
            Woken::Time => {}
        }
    }

    async fn woken<F>(&mut self, now: Instant, stop: &mut Stop<'_, F>) -> Woken
    where
        F: Future<Output = ()> + Send,
    {
        let Relay { outbox, timer, .. } = self.relay;
        let failing = self.resume_at.saturating_duration_since(now);
        let pause = if failing.is_zero() {
            self.look_in(now)
        } else {
            Some(failing)
        };
        let time = pin!(async {
            match pause {
                Some(pause) => timer.sleep(pause).await,
                None => future::pending().await,
            }
        });
        // What is added does not end the pause after a failure, nor the one in which events are gathered.
        let may_end = pause.is_some_and(|pause| now + pause > self.soonest);
        let hint = pin!(async {
            if may_end && failing.is_zero() {
                outbox.added().await;
            } else {
                future::pending::<()>().await;
            }
        });
        let done = pin!(async {
            match self.running.next().await {
                Some(done) => done,
                None => future::pending().await,
            }
        });
        match stop
            .or(future::select(done, future::select(hint, time)))
            .await
        {
            Some(Either::Left((done, _))) => Woken::Done(done),
            Some(Either::Right((Either::Left(_), _))) => Woken::Hint,
            Some(Either::Right((Either::Right(_), _))) | None => Woken::Time,
        }
    }

    fn take(&mut self, done: Done) {
        let now = self.relay.timer.now();
        match done {
            Done::Fetched(fetched) => {
                self.fetching = false;
                match fetched {
                    Ok(fetched) => self.fetched(fetched, now),
                    Err(error) => self.outbox_failed(error, now),
                }
            }
            Done::Sent(sent) => self.sent(sent),
            Done::Marked(records, marked) => {
                self.marking = false;
                match marked {
                    Ok(()) => self.marked(&records, now),
                    Err(error) => {
                        self.published.splice(..0, records);
                        self.outbox_failed(error, now);
                    }
                }
            }
            Done::Judged(record, judged) => {
                self.judging = false;
                self.judged(&record, judged, now);
            }
        }
    }

    fn sent(&mut self, sent: Sent) {
        self.hand.put_down(sent.user, sent.left);
        if !sent.published.is_empty() {
            self.held.forget(sent.user);
            self.through += sent.published.len();
            self.published.extend(sent.published);
        }
        match sent.failed {
            Some(Failed { record, error, .. }) if error.is_outage() => {
                self.hold(&record);
                self.hand.put_down(sent.user, 1);
                self.unavailable(error);
            }
            Some(failed) => self.failed.push_back(failed),
            None => {}
        }
    }

    fn marked(&mut self, records: &[OutboxRecord], now: Instant) {
        self.outbox_failures = 0;
        for record in records {
            self.hand.put_down(record.event.user_id(), 1);
        }
        // More of the same users may wait. While others are in hand, it can wait for them a little.
        let soon = if self.hand.is_empty() {
            Duration::ZERO
        } else {
            IDLE[0]
        };
        self.is_free(now + soon);
    }

    /// After the word to stop: whether what is in hand is settled and, where events do not outlive the process, nothing
    /// waits any more.
    fn is_finished(&self) -> bool {
        let is_drained = self.is_empty && !self.fetching && self.held.is_empty();
        self.stopping && self.hand.is_empty() && (O::DURABLE || is_drained)
    }
}
