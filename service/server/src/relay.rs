//! The relay with what this service wires to it.

use std::time::Duration;

use tokio::io::Stdout;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use user_adapter_memory::MemoryStorage;
use user_adapter_stdout::JsonLines;
use user_application::{Backoff, Relay, RelayError, RelayObserver};

use crate::environment::RuntimeTimer;
use crate::metrics::RelayMetrics;

/// Starts the relay. It ends once `stop` is cancelled and the outbox is empty.
pub(crate) fn spawn(
    outbox: MemoryStorage,
    publisher: JsonLines<Stdout>,
    metrics: RelayMetrics,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let relay = Relay::new(
        outbox,
        publisher,
        RuntimeTimer,
        Observer(metrics),
        Backoff::default(),
    );
    tokio::spawn(async move { relay.run(stop.cancelled_owned()).await })
}

/// Counts and logs in one place.
struct Observer(RelayMetrics);

impl RelayObserver for Observer {
    fn published(&self, events: usize) {
        self.0
            .published
            .inc_by(u64::try_from(events).unwrap_or(u64::MAX));
        tracing::debug!(events, "events published");
    }

    fn retrying(&self, error: &RelayError, pause: Duration) {
        self.0.failures.inc();
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(%error, cause, ?pause, "publishing failed, will be tried again");
    }
}
