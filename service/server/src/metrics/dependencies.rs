//! How what the service works with is.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use user_settings::metric;

use crate::telemetry::Dependency;

/// Whether each can be used, of those that something was heard of.
#[derive(Clone, Debug, Default)]
pub(crate) struct DependencyMetrics(Family<[(&'static str, &'static str); 1], Gauge>);

impl DependencyMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            metric::DEPENDENCY_READY,
            "1 if what the service works with can be used",
            metrics.0.clone(),
        );
        metrics
    }

    pub(crate) fn is(&self, dependency: Dependency, ready: bool) {
        self.0
            .get_or_create(&[(metric::DEPENDENCY, dependency.word())])
            .set(i64::from(ready));
    }
}
