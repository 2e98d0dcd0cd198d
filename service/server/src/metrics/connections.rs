//! Connections of clients, scrapers and probes.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use user_settings::metric;

use super::counter_name;

/// What became of connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionMetrics {
    refused: Counter,
}

impl ConnectionMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            counter_name(metric::CONNECTIONS_REFUSED),
            "Attempts to accept a connection that the system refused",
            metrics.refused.clone(),
        );
        metrics
    }

    pub(crate) fn refused(&self) {
        self.refused.inc();
    }
}
