//! From the outbox to the publisher.

use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::future::{self, Either};
use user_domain::EventId;

use crate::{EventPublisher, Outbox, OutboxError, PublishFailure, Timer};

/// Events taken at a time: enough to make a round trip worth it, few enough to hold in memory.
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Publishes what the outbox holds, in order and at least once: an event is acknowledged only after it is out, so a
/// crash in between makes it go out again, under the same event id.
#[derive(Debug)]
pub struct Relay<O, P, T, W> {
    outbox: O,
    publisher: P,
    timer: T,
    observer: W,
    backoff: Backoff,
}

/// How long to pause after failures in a row: doubling from the first pause up to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer than this.
    pub longest: Duration,
}

/// Hears what the relay does, for logs and metrics.
pub trait RelayObserver: Send + Sync + 'static {
    /// So many events are out and acknowledged.
    fn published(&self, events: usize);

    /// An attempt failed; the next one comes after `pause`.
    fn retrying(&self, error: &RelayError, pause: Duration);
}

/// Why an attempt of the relay failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox could not be read, or the acknowledgement could not be written.
    #[error("relay: {0}")]
    Outbox(#[from] OutboxError),
    /// The publisher did not take all events.
    #[error("relay: {0}")]
    Publish(#[from] PublishFailure),
}

impl Backoff {
    /// The pause after so many failures in a row, counted from 1.
    fn pause(self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

impl Default for Backoff {
    /// From 100 ms to 30 s.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
        }
    }
}

impl<O: Outbox, P: EventPublisher, T: Timer, W: RelayObserver> Relay<O, P, T, W> {
    /// A relay between these ports.
    pub const fn new(outbox: O, publisher: P, timer: T, observer: W, backoff: Backoff) -> Self {
        Self {
            outbox,
            publisher,
            timer,
            observer,
            backoff,
        }
    }

    /// Publishes until `stop` resolves and the outbox is empty. Failures are retried without end, so that no event is
    /// lost, and from `stop` on after the shortest pause, since little time is left. Whoever has to stop in time drops
    /// the future.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut stopping = false;
        let mut failures = 0_u32;
        loop {
            let attempt = if stopping {
                self.publish_batch()
                    .await
                    .map(|more| if more { Next::Again } else { Next::Stop })
            } else {
                self.publish_or_wait(stop.as_mut()).await
            };
            match attempt {
                Ok(Next::Stop) if stopping => return,
                Ok(next) => {
                    failures = 0;
                    stopping |= matches!(next, Next::Stop);
                }
                Err(error) => {
                    failures = if stopping {
                        1
                    } else {
                        failures.saturating_add(1)
                    };
                    let pause = self.backoff.pause(failures);
                    self.observer.retrying(&error, pause);
                    let slept = pin!(self.timer.sleep(pause));
                    if stopping {
                        slept.await;
                    } else if let Either::Left(_) = future::select(stop.as_mut(), slept).await {
                        stopping = true;
                    }
                }
            }
        }
    }

    /// Publishes one batch, or waits for events or for the word to stop.
    async fn publish_or_wait(
        &self,
        stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<Next, RelayError> {
        if self.publish_batch().await? {
            return Ok(Next::Again);
        }
        match future::select(stop, pin!(self.outbox.wait())).await {
            Either::Left(((), _)) => Ok(Next::Stop),
            Either::Right((waited, _)) => Ok(waited.map(|()| Next::Again)?),
        }
    }

    /// Publishes the oldest events; whether there were any.
    async fn publish_batch(&self) -> Result<bool, RelayError> {
        let events = self.outbox.pending(BATCH).await?;
        if events.is_empty() {
            return Ok(false);
        }
        let result = self.publisher.publish(&events).await;
        let out = match &result {
            Ok(()) => events.len(),
            Err(failure) => failure.published,
        };
        let ids: Vec<EventId> = events
            .iter()
            .take(out)
            .map(user_domain::UserEvent::id)
            .collect();
        if !ids.is_empty() {
            self.outbox.acknowledge(&ids).await?;
            self.observer.published(ids.len());
        }
        result?;
        Ok(true)
    }
}

enum Next {
    Again,
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5),
        };
        let pauses: Vec<u64> = (1..=5).map(|n| backoff.pause(n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.pause(u32::MAX).as_secs(), 5);
    }
}
