//! What happens, as a specification: each event has its one line in the log, a metric where one can be watched and, where
//! it says how a dependency is, its word in the readiness detail. Whoever sees it happen tells, and says nothing beside it.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use user_application::{OutboxError, OutboxRecord, PublishError, RelayError};
use user_settings::LogLevel;

use super::dependencies::{Dependencies, Dependency};
use crate::ServiceError;
use crate::error::innermost;
use crate::metrics::{
    ConnectionMetrics, HandshakeResult, Metrics, PoolMetrics, ProducerMetrics, RelayMetrics,
    TlsMetrics,
};

/// Something that somebody may want to know.
#[derive(Clone, Copy)]
pub(crate) enum Event<'a> {
    /// What the service cannot do without does not answer, and is asked again.
    Waiting(Dependency, &'a (dyn Error + 'static), Duration),
    /// It can be used, which is news.
    Works(Dependency),
    /// It cannot be used any more, and why.
    Fails(Dependency, &'a str),
    /// This process publishes for all, until then at least.
    RelayActive(Instant),
    /// It does not any more.
    RelayInactive,
    /// So many events are out.
    Published(usize),
    /// An attempt to publish failed, and is repeated after a pause.
    PublishFailed(&'a RelayError, Duration),
    /// An event was given up.
    Buried(&'a OutboxRecord, &'a PublishError),
    /// The producer had broken down for good, and why.
    ProducerReplaced(&'a str),
    /// The files for TLS are in force, with a certificate that expires so long after 1970.
    CertificateInForce(Duration),
    /// So are changed ones.
    CertificateReloaded(Duration),
    /// Changed ones cannot be used.
    CertificateRefused(&'a str),
    /// The files are again those in force.
    CertificateRestored,
    /// What is in force is not valid any more since then, so long after 1970.
    CertificateExpired(Duration),
    /// A client was let in by TLS.
    HandshakeCompleted(Option<SocketAddr>),
    /// One was not, and why.
    HandshakeFailed(Option<SocketAddr>, &'a dyn Display),
    /// One took too long.
    HandshakeTimedOut(Option<SocketAddr>),
    /// The system refused a connection that was to be accepted.
    ConnectionRefused(&'a io::Error),
    /// One that was old had calls still when its time was over.
    ConnectionCut(SocketAddr),
    /// One ended otherwise than it should.
    ConnectionFailed(SocketAddr, &'a dyn Display),
    /// What is in hand of the outbox takes longer than a relay that stops has.
    RelayLeft(Duration),
    /// Its lease could not be given back, and has to run out.
    LeaseKept(&'a OutboxError),
    /// How much waits in the outbox could not be found out.
    BacklogUnknown(&'a OutboxError),
    /// Calls are taken.
    Serving,
    /// They are for so long yet.
    Draining(Duration),
    /// So many were in flight when the time for them was over.
    CallsCut(usize, Duration),
    /// So were events or writes.
    FlushTimedOut(Duration),
    /// So was what goes to a collector.
    TelemetryLeft,
    /// There is nothing left to do.
    Stopped,
    /// Somebody wants to read more or less of this.
    LogLevelChanged(LogLevel),
    /// What was to be scraped has no form.
    NotEncoded(&'a fmt::Error),
}

/// Where events are told.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    relay: RelayMetrics,
    producer: ProducerMetrics,
    tls: TlsMetrics,
    connections: ConnectionMetrics,
    pool: PoolMetrics,
    dependencies: Dependencies,
}

impl Journal {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            relay: metrics.relay.clone(),
            producer: metrics.producer.clone(),
            tls: metrics.tls.clone(),
            connections: metrics.connections.clone(),
            pool: metrics.pool.clone(),
            dependencies: Dependencies::new(metrics.dependencies.clone()),
        }
    }

    /// For a command, whose metrics nobody asks for.
    pub(crate) fn of_command() -> Result<Self, ServiceError> {
        let (metrics, _) = Metrics::register(SystemTime::now())?;
        Ok(Self::new(&metrics))
    }

    /// Where connections to the database are counted.
    pub(crate) const fn pool(&self) -> &PoolMetrics {
        &self.pool
    }

    /// How each dependency is.
    pub(crate) const fn dependencies(&self) -> &Dependencies {
        &self.dependencies
    }

    /// Tells how a dependency is, if that is news.
    pub(crate) fn heard(&self, dependency: Dependency, state: Result<(), &str>) {
        let event = match state {
            Ok(()) => Event::Works(dependency),
            Err(why) => Event::Fails(dependency, why),
        };
        self.tell_if(event, |worked| worked != Some(state.is_ok()));
    }

    /// Tells that a dependency works, if the last that was heard is that it does not.
    pub(crate) fn recovered(&self, dependency: Dependency) {
        self.tell_if(Event::Works(dependency), |worked| worked == Some(false));
    }

    /// Tells how a dependency is, if that is due after whether it worked the last time.
    fn tell_if(&self, event: Event<'_>, is_due: impl FnOnce(Option<bool>) -> bool) {
        if let Some((dependency, state)) = event.state()
            && self.dependencies.heard(dependency, state, is_due)
        {
            event.log();
            self.count(event);
        }
    }

    /// Tells it everywhere.
    pub(crate) fn tell(&self, event: Event<'_>) {
        event.log();
        self.count(event);
        if let Some((dependency, state)) = event.state() {
            self.dependencies.heard(dependency, state, |_| true);
        }
    }

    /// Its metric, if there is one.
    fn count(&self, event: Event<'_>) {
        match event {
            Event::RelayActive(until) => {
                self.relay.leads(Some(until));
            }
            Event::RelayInactive => {
                self.relay.leads(None);
            }
            Event::Published(events) => self.relay.published(events),
            Event::PublishFailed(error, _) => self.relay.failed(match error {
                RelayError::Outbox(_) => "outbox",
                RelayError::Publish(error) => error.reason(),
            }),
            Event::Buried(_, error) => self.relay.buried(error.reason()),
            Event::ProducerReplaced(_) => self.producer.replaced(),
            Event::CertificateInForce(expires) => self.tls.in_force(expires),
            Event::CertificateReloaded(expires) => self.tls.reloaded(expires),
            Event::CertificateRefused(_) => self.tls.refused(),
            Event::CertificateRestored => self.tls.restored(),
            Event::HandshakeCompleted(_) => self.tls.handshake_ended(HandshakeResult::Completed),
            Event::HandshakeFailed(..) => self.tls.handshake_ended(HandshakeResult::Failed),
            Event::HandshakeTimedOut(_) => self.tls.handshake_ended(HandshakeResult::TimedOut),
            Event::ConnectionRefused(_) => self.connections.refused(),
            // How a dependency is, is a metric of its own, and so is when the certificate expires; of clients that go away
            // there is the status of their calls, and of the process its health.
            Event::Waiting(..)
            | Event::Works(_)
            | Event::Fails(..)
            | Event::CertificateExpired(_)
            | Event::ConnectionCut(_)
            | Event::ConnectionFailed(..)
            | Event::RelayLeft(_)
            | Event::LeaseKept(_)
            | Event::BacklogUnknown(_)
            | Event::Serving
            | Event::Draining(_)
            | Event::CallsCut(..)
            | Event::FlushTimedOut(_)
            | Event::TelemetryLeft
            | Event::Stopped
            | Event::LogLevelChanged(_)
            | Event::NotEncoded(_) => {}
        }
    }
}

impl Event<'_> {
    /// Its line in the log.
    fn log(self) {
        match self {
            Self::Waiting(dependency, error, retry_in) => {
                let cause = innermost(error).to_string();
                tracing::warn!(%error, cause, ?retry_in, "waiting for {}", dependency.name());
            }
            Self::Works(dependency) => tracing::info!("{} works", dependency.name()),
            Self::Fails(dependency, why) => {
                tracing::warn!(why, "{} does not work", dependency.name());
            }
            Self::RelayActive(_) => tracing::info!("the relay is active"),
            Self::RelayInactive => tracing::info!("the relay is not active any more"),
            Self::Published(events) => tracing::debug!(events, "events published"),
            Self::PublishFailed(error, pause) => {
                let cause = innermost(error).to_string();
                tracing::warn!(%error, cause, ?pause, "publishing failed, will be tried again");
            }
            Self::Buried(record, error) => tracing::error!(
                event = %record.event.id(),
                user = %record.event.user_id(),
                reason = error.reason(),
                "an event was given up and sent to the dead letters"
            ),
            Self::ProducerReplaced(reason) => {
                tracing::error!(
                    reason,
                    "the Kafka producer broke down for good and was replaced"
                );
            }
            Self::CertificateInForce(expires) => {
                tracing::info!(expires = %date(expires), "TLS certificate in force");
            }
            Self::CertificateReloaded(expires) => {
                tracing::info!(expires = %date(expires), "changed TLS files are in force");
            }
            Self::CertificateRefused(problem) => tracing::warn!(
                problem,
                "changed TLS files cannot be used, the old ones stay in force"
            ),
            Self::CertificateRestored => tracing::info!("the TLS files are again those in force"),
            Self::CertificateExpired(expired) => tracing::error!(
                expired = %date(expired),
                "the TLS certificate in force has expired, which clients refuse"
            ),
            Self::HandshakeCompleted(peer) => tracing::debug!(?peer, "a TLS handshake succeeded"),
            Self::HandshakeFailed(peer, error) => {
                tracing::debug!(?peer, %error, "a TLS handshake failed");
            }
            Self::HandshakeTimedOut(peer) => {
                tracing::debug!(?peer, "a TLS handshake took too long");
            }
            Self::ConnectionRefused(error) => {
                tracing::warn!(%error, "a connection was not accepted");
            }
            Self::ConnectionCut(peer) => tracing::debug!(%peer, "an old connection was cut"),
            Self::ConnectionFailed(peer, error) => {
                tracing::debug!(%peer, %error, "a connection ended with an error");
            }
            Self::RelayLeft(within) => {
                tracing::warn!(?within, "what was in hand is left to another relay");
            }
            Self::LeaseKept(error) => {
                let cause = innermost(error).to_string();
                tracing::warn!(%error, cause, "the lease could not be given back");
            }
            Self::BacklogUnknown(error) => {
                tracing::debug!(%error, "the backlog could not be counted");
            }
            Self::Serving => tracing::info!("serving"),
            Self::Draining(delay) => tracing::info!(
                ?delay,
                "draining: NOT_SERVING announced, still taking calls"
            ),
            Self::CallsCut(calls, timeout) => {
                tracing::warn!(calls, ?timeout, "drain timed out, calls were cut");
            }
            Self::FlushTimedOut(timeout) => {
                tracing::warn!(?timeout, "flush timed out, events or writes were left");
            }
            Self::TelemetryLeft => tracing::warn!("spans or metrics were left"),
            Self::Stopped => tracing::info!("stopped"),
            Self::LogLevelChanged(level) => {
                tracing::warn!(level = level.as_str(), "the level of the log was changed");
            }
            Self::NotEncoded(error) => tracing::error!(%error, "metrics cannot be encoded"),
        }
    }

    /// How a dependency is by it, if it says that.
    fn state(self) -> Option<(Dependency, Result<(), String>)> {
        let why_not = |why: &str| Err(why.to_owned());
        match self {
            Self::Waiting(dependency, error, _) => {
                Some((dependency, why_not(&innermost(error).to_string())))
            }
            Self::Works(dependency) => Some((dependency, Ok(()))),
            Self::Fails(dependency, why) => Some((dependency, why_not(why))),
            Self::RelayActive(_) | Self::RelayInactive | Self::Published(_) => {
                Some((Dependency::Relay, Ok(())))
            }
            Self::PublishFailed(error, _) => {
                Some((Dependency::Relay, why_not(&innermost(error).to_string())))
            }
            Self::CertificateInForce(_)
            | Self::CertificateReloaded(_)
            | Self::CertificateRestored => Some((Dependency::Tls, Ok(()))),
            Self::CertificateRefused(problem) => Some((Dependency::Tls, why_not(problem))),
            Self::CertificateExpired(expired) => {
                let why = format!("the certificate in force expired at {}", date(expired));
                Some((Dependency::Tls, Err(why)))
            }
            Self::Buried(..)
            | Self::ProducerReplaced(_)
            | Self::HandshakeCompleted(_)
            | Self::HandshakeFailed(..)
            | Self::HandshakeTimedOut(_)
            | Self::ConnectionRefused(_)
            | Self::ConnectionCut(_)
            | Self::ConnectionFailed(..)
            | Self::RelayLeft(_)
            | Self::LeaseKept(_)
            | Self::BacklogUnknown(_)
            | Self::Serving
            | Self::Draining(_)
            | Self::CallsCut(..)
            | Self::FlushTimedOut(_)
            | Self::TelemetryLeft
            | Self::Stopped
            | Self::LogLevelChanged(_)
            | Self::NotEncoded(_) => None,
        }
    }
}

/// A time as people read it.
pub(crate) fn date(since_1970: Duration) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_1970)
}

#[cfg(test)]
mod tests;
