//! From the outbox to the publisher.
//!
//! One relay of all that run is active, by a lease. What keeps the order does not rest on it: a relay sends an event of
//! a user only after it has seen every earlier one acknowledged or given up, in the outbox or by itself. So whoever
//! else sends at the same time, a relay that was frozen past its lease and woke again included, can only repeat events;
//! their first appearances are in order.

mod backoff;
mod chain;
mod contract;
mod hand;
mod held;
mod lease;
mod stop;
mod work;

use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::Duration;

use futures::future::{self, Either};

pub use backoff::Backoff;
pub use contract::{RelayError, RelayObserver, RelayPolicy};
use lease::Lease;
use stop::Stop;
use work::Work;

use crate::{EventPublisher, Outbox, Timer};

/// Events taken at a time: enough to make a round trip worth it, few enough to hold in memory.
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// Publishes what the outbox holds, at least once, and for each user in order. Fetching, sending and marking as sent
/// overlap; at most two batches of a thousand events are in hand.
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
                Ok(None) => {
                    failures = 0;
                    self.observer.rests();
                    self.policy.lease / 5
                }
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

    /// Works and renews the lease side by side. A renewal that has begun is waited for: it would be carried through all
    /// the same, and take the lease again after it was given back.
    async fn lead<F: Future<Output = ()> + Send>(
        &self,
        lease: &Lease,
        stop: &mut Stop<'_, F>,
    ) -> Ended {
        self.observer.leads(Some(lease.until()));
        let mut work = pin!(Work::new(self, lease).run(stop));
        let ended = loop {
            let pause = pin!(self.timer.sleep(self.policy.lease / 5));
            if let Either::Left((ended, _)) = future::select(work.as_mut(), pause).await {
                break ended;
            }
            let renewal = pin!(self.renew(lease));
            match future::select(work.as_mut(), renewal).await {
                Either::Left((ended, renewal)) => {
                    renewal.await;
                    break ended;
                }
                Either::Right((true, _)) => {}
                Either::Right((false, _)) => break Ended::LeaseLost,
            }
        };
        self.observer.leads(None);
        ended
    }

    /// Tries to renew the lease once; whether it still lasts.
    async fn renew(&self, lease: &Lease) -> bool {
        let before = self.timer.now();
        match self
            .outbox
            .claim(self.policy.holder, self.policy.lease)
            .await
        {
            Ok(Some(epoch)) if epoch == lease.epoch => {
                lease.extend(before + self.policy.lease);
                self.observer.leads(Some(lease.until()));
                true
            }
            Ok(_) => false,
            Err(_) => !lease.left(self.timer.now()).is_zero(),
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
}
