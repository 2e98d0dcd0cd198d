//! Certificates and handshakes.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use user_settings::metric;

use super::{COMPLETED, FAILED, counter_name, without_unit};

type Results = Family<[(&'static str, &'static str); 1], Counter>;

/// What TLS did. All zero without it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsMetrics {
    handshakes: Results,
    reloads: Results,
    last_reload_successful: Gauge,
    expiry: Gauge<f64, AtomicU64>,
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HandshakeResult {
    Completed,
    Failed,
    TimedOut,
}

impl TlsMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            counter_name(metric::TLS_HANDSHAKES),
            "TLS handshakes",
            metrics.handshakes.clone(),
        );
        registry.register(
            counter_name(metric::TLS_RELOADS),
            "Changed TLS files that were read",
            metrics.reloads.clone(),
        );
        registry.register(
            metric::TLS_LAST_RELOAD_SUCCESSFUL,
            "1 if the TLS files are as they are in force",
            metrics.last_reload_successful.clone(),
        );
        registry.register_with_unit(
            without_unit(metric::TLS_CERTIFICATE_EXPIRY),
            "When the certificate in force expires, in Unix time",
            Unit::Seconds,
            metrics.expiry.clone(),
        );
        metrics
    }

    pub(crate) fn handshake_ended(&self, result: HandshakeResult) {
        let result = match result {
            HandshakeResult::Completed => COMPLETED,
            HandshakeResult::Failed => FAILED,
            HandshakeResult::TimedOut => "timed_out",
        };
        count(&self.handshakes, result);
    }

    /// The files that were there at start are in force.
    pub(crate) fn in_force(&self, expires: Duration) {
        self.expiry.set(expires.as_secs_f64());
        self.last_reload_successful.set(1);
    }

    /// Changed files are in force.
    pub(crate) fn reloaded(&self, expires: Duration) {
        count(&self.reloads, COMPLETED);
        self.in_force(expires);
    }

    /// Changed files cannot be used.
    pub(crate) fn refused(&self) {
        count(&self.reloads, FAILED);
        self.last_reload_successful.set(0);
    }

    /// The files are again those that are in force.
    pub(crate) fn restored(&self) {
        self.last_reload_successful.set(1);
    }
}

fn count(results: &Results, result: &'static str) {
    results.get_or_create(&[(metric::RESULT, result)]).inc();
}
