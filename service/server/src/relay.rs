//! The relay with what this service wires to it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use user_application::{
    Backoff, EventPublisher, Outbox, OutboxRecord, PublishError, Relay, RelayError, RelayId,
    RelayObserver, RelayPolicy,
};
use uuid::Uuid;

use crate::environment::RuntimeTimer;
use crate::metrics::RelayMetrics;
use crate::telemetry::{Dependency, Event, Journal};

/// How long a relay that is not heard of stays the active one; longer than the longest attempt to publish.
const LEASE: Duration = Duration::from_secs(15);
/// Attempts that fail by an event's own fault until it is given up.
const ATTEMPTS: u32 = 10;
/// What a stopping relay may take to finish; the rest of the flush is for lease and database.
const FINISH_WITHIN: Duration = Duration::from_secs(3);
/// Between two looks at how much waits.
const BACKLOG_EVERY: Duration = Duration::from_secs(10);
/// How long a relay that is not active any more shows what it saw last. One that gets nothing through is away for half a
/// lease again and again, and for whoever watches what waits it must not seem to be gone then.
const FORGET_AFTER: Duration = LEASE.saturating_mul(2);

/// Starts the relay. `within` bounds one attempt of the publisher.
pub(crate) fn spawn<O: Outbox + Clone, P: EventPublisher>(
    outbox: O,
    publisher: P,
    within: Duration,
    metrics: RelayMetrics,
    journal: Journal,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let policy = RelayPolicy {
        holder: RelayId(Uuid::new_v4()),
        lease: LEASE,
        publish_within: within,
        attempts: ATTEMPTS,
        backoff: Backoff::default(),
    };
    let activated = Arc::new(Notify::new());
    let observer = Observer {
        metrics: metrics.clone(),
        journal: journal.clone(),
        activated: Arc::clone(&activated),
    };
    let relay = Relay::new(outbox.clone(), publisher, RuntimeTimer, observer, policy);
    tokio::spawn(async move {
        let is_left = tokio::select! {
            () = relay.run(stop.clone().cancelled_owned()) => false,
            () = time_is_over::<O>(stop) => true,
            () = watch_backlog(&outbox, &metrics, &journal, &activated) => false,
        };
        if is_left {
            journal.tell(Event::RelayLeft(FINISH_WITHIN));
            if let Err(error) = outbox.release(policy.holder).await {
                journal.tell(Event::LeaseKept(&error));
            }
        }
        // To drop a publisher may block for a while.
        let _ = tokio::task::spawn_blocking(move || drop(relay)).await;
    })
}

/// What a relay that was asked to stop has in hand may take longer than there is time, while the broker is away. Where
/// events outlive the process it is left then, and the lease given back all the same: once it is gone, for it would renew
/// the lease meanwhile.
async fn time_is_over<O: Outbox>(stop: CancellationToken) {
    stop.cancelled().await;
    if !O::DURABLE {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(FINISH_WITHIN).await;
}

/// Looks how much waits once this is the active relay, and now and then. Only that one asks, so that what is shared is
/// counted once; what is not shared needs no such look.
async fn watch_backlog<O: Outbox>(
    outbox: &O,
    metrics: &RelayMetrics,
    journal: &Journal,
    activated: &Notify,
) {
    if !O::DURABLE {
        std::future::pending::<()>().await;
    }
    let mut active_at = tokio::time::Instant::now();
    loop {
        let _ = timeout(BACKLOG_EVERY, activated.notified()).await;
        if metrics.is_active() {
            active_at = tokio::time::Instant::now();
            match outbox.backlog().await {
                Ok(backlog) => metrics.backlog(backlog, SystemTime::now()),
                Err(error) => journal.tell(Event::BacklogUnknown(&error)),
            }
        } else if active_at.elapsed() > FORGET_AFTER {
            metrics.forget_backlog();
        }
    }
}

struct Observer {
    metrics: RelayMetrics,
    journal: Journal,
    activated: Arc<Notify>,
}

impl RelayObserver for Observer {
    fn leads(&self, until: Option<Instant>) {
        let event = match (self.metrics.leads(until), until) {
            (None, Some(until)) => {
                self.activated.notify_one();
                Event::RelayActive(until)
            }
            (Some(_), None) => Event::RelayInactive,
            _ => return,
        };
        self.journal.tell(event);
    }

    fn acknowledged(&self, record: &OutboxRecord) {
        self.metrics.acknowledged(record, SystemTime::now());
    }

    fn published(&self, records: &[OutboxRecord]) {
        self.journal.tell(Event::Published(records.len()));
    }

    fn retrying(&self, error: &RelayError, pause: Duration) {
        self.journal.tell(Event::PublishFailed(error, pause));
    }

    fn rests(&self) {
        self.journal.recovered(Dependency::Relay);
    }

    fn buried(&self, record: &OutboxRecord, error: &PublishError) {
        self.journal.tell(Event::Buried(record, error));
    }
}

#[cfg(test)]
mod tests;
