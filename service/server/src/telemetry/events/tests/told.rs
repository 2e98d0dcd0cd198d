//! What is told of each event.

use super::*;

/// An event, and all that is told of it.
pub(super) struct Told<'a> {
    pub(super) event: Event<'a>,
    pub(super) level: Level,
    pub(super) message: &'static str,
    pub(super) fields: &'static [&'static str],
    /// What is new among the samples, of metrics other than `dependency_ready`.
    pub(super) samples: &'static [&'static str],
    pub(super) state: Option<(Dependency, Option<&'static str>)>,
}

fn line<'a>(event: Event<'a>, level: Level, message: &'static str) -> Told<'a> {
    Told {
        event,
        level,
        message,
        fields: &[],
        samples: &[],
        state: None,
    }
}

impl Told<'_> {
    fn with(self, fields: &'static [&'static str]) -> Self {
        Self { fields, ..self }
    }

    fn counted(self, samples: &'static [&'static str]) -> Self {
        Self { samples, ..self }
    }

    fn works(self, dependency: Dependency) -> Self {
        let state = Some((dependency, None));
        Self { state, ..self }
    }

    fn fails(self, dependency: Dependency, why: &'static str) -> Self {
        let state = Some((dependency, Some(why)));
        Self { state, ..self }
    }
}

pub(super) fn of_dependencies<'a>(
    refused: &'a io::Error,
    outage: &'a RelayError,
    record: &'a OutboxRecord,
    poison: &'a PublishError,
) -> Vec<Told<'a>> {
    use Dependency::{Database, Kafka, Relay, SchemaRegistry};
    vec![
        line(
            Event::Waiting(Database, refused, DAY),
            Level::WARN,
            "waiting for the database",
        )
        .with(&["error", "cause", "retry_in"])
        .fails(Database, "connection refused"),
        line(
            Event::Works(SchemaRegistry),
            Level::INFO,
            "the schema registry works",
        )
        .works(SchemaRegistry),
        line(
            Event::Fails(Kafka, "no broker is connected"),
            Level::WARN,
            "Kafka does not work",
        )
        .with(&["why"])
        .fails(Kafka, "no broker is connected"),
        line(
            Event::RelayActive(Instant::now() + DAY),
            Level::INFO,
            "the relay is active",
        )
        .counted(&["outbox_relay_active 1"])
        .works(Relay),
        line(
            Event::RelayInactive,
            Level::INFO,
            "the relay is not active any more",
        )
        .counted(&["outbox_relay_active 0"])
        .works(Relay),
        line(Event::Published(3), Level::DEBUG, "events published")
            .with(&["events"])
            .counted(&["outbox_published_total 3"])
            .works(Relay),
        line(
            Event::PublishFailed(outage, DAY),
            Level::WARN,
            "publishing failed, will be tried again",
        )
        .with(&["error", "cause", "pause"])
        .counted(&["outbox_publish_failures_total{reason=\"outbox\"} 1"])
        .fails(Relay, "the primary is gone"),
        line(
            Event::Buried(record, poison),
            Level::ERROR,
            "an event was given up and sent to the dead letters",
        )
        .with(&["event", "user", "reason"])
        .counted(&["outbox_dead_letters_total{reason=\"unpublishable\"} 1"]),
        line(
            Event::ProducerReplaced("out of order"),
            Level::ERROR,
            "the Kafka producer broke down for good and was replaced",
        )
        .with(&["reason"])
        .counted(&["kafka_producer_replaced_total 1"]),
    ]
}

pub(super) fn of_tls(refused: &io::Error) -> Vec<Told<'_>> {
    use Dependency::Tls;
    let peer = Some(SocketAddr::from(([192, 0, 2, 1], 443)));
    vec![
        line(
            Event::CertificateInForce(DAY),
            Level::INFO,
            "TLS certificate in force",
        )
        .with(&["expires"])
        .counted(&[
            "tls_certificate_expiry_timestamp_seconds 86400.0",
            "tls_last_reload_successful 1",
        ])
        .works(Tls),
        line(
            Event::CertificateReloaded(2 * DAY),
            Level::INFO,
            "changed TLS files are in force",
        )
        .with(&["expires"])
        .counted(&[
            "tls_certificate_expiry_timestamp_seconds 172800.0",
            "tls_reloads_total{result=\"completed\"} 1",
        ])
        .works(Tls),
        line(
            Event::CertificateRefused("no certificate in tls.crt"),
            Level::WARN,
            "changed TLS files cannot be used, the old ones stay in force",
        )
        .with(&["problem"])
        .counted(&[
            "tls_last_reload_successful 0",
            "tls_reloads_total{result=\"failed\"} 1",
        ])
        .fails(Tls, "no certificate in tls.crt"),
        line(
            Event::CertificateRestored,
            Level::INFO,
            "the TLS files are again those in force",
        )
        .counted(&["tls_last_reload_successful 1"])
        .works(Tls),
        line(
            Event::CertificateExpired(DAY),
            Level::ERROR,
            "the TLS certificate in force has expired, which clients refuse",
        )
        .with(&["expired"])
        .fails(
            Tls,
            "the certificate in force expired at 1970-01-02T00:00:00Z",
        ),
        line(
            Event::HandshakeCompleted(peer),
            Level::DEBUG,
            "a TLS handshake succeeded",
        )
        .with(&["peer"])
        .counted(&["tls_handshakes_total{result=\"completed\"} 1"]),
        line(
            Event::HandshakeFailed(peer, refused),
            Level::DEBUG,
            "a TLS handshake failed",
        )
        .with(&["peer", "error"])
        .counted(&["tls_handshakes_total{result=\"failed\"} 1"]),
        line(
            Event::HandshakeTimedOut(peer),
            Level::DEBUG,
            "a TLS handshake took too long",
        )
        .with(&["peer"])
        .counted(&["tls_handshakes_total{result=\"timed_out\"} 1"]),
    ]
}

pub(super) fn of_connections(refused: &io::Error) -> Vec<Told<'_>> {
    let peer = SocketAddr::from(([192, 0, 2, 1], 443));
    vec![
        line(
            Event::ConnectionRefused(refused),
            Level::WARN,
            "a connection was not accepted",
        )
        .with(&["error"])
        .counted(&["connections_refused_total 1"]),
        line(
            Event::ConnectionCut(peer),
            Level::DEBUG,
            "an old connection was cut",
        )
        .with(&["peer"]),
        line(
            Event::ConnectionFailed(peer, refused),
            Level::DEBUG,
            "a connection ended with an error",
        )
        .with(&["peer", "error"]),
    ]
}

pub(super) fn of_the_process(outage: &OutboxError) -> Vec<Told<'_>> {
    vec![
        line(
            Event::RelayLeft(DAY),
            Level::WARN,
            "what was in hand is left to another relay",
        )
        .with(&["within"]),
        line(
            Event::LeaseKept(outage),
            Level::WARN,
            "the lease could not be given back",
        )
        .with(&["error", "cause"]),
        line(
            Event::BacklogUnknown(outage),
            Level::DEBUG,
            "the backlog could not be counted",
        )
        .with(&["error"]),
        line(Event::Serving, Level::INFO, "serving"),
        line(
            Event::Draining(DAY),
            Level::INFO,
            "draining: NOT_SERVING announced, still taking calls",
        )
        .with(&["delay"]),
        line(
            Event::CallsCut(3, DAY),
            Level::WARN,
            "drain timed out, calls were cut",
        )
        .with(&["calls", "timeout"]),
        line(
            Event::FlushTimedOut(DAY),
            Level::WARN,
            "flush timed out, events or writes were left",
        )
        .with(&["timeout"]),
        line(
            Event::TelemetryLeft,
            Level::WARN,
            "spans or metrics were left",
        ),
        line(Event::Stopped, Level::INFO, "stopped"),
        line(
            Event::LogLevelChanged(LogLevel::Debug),
            Level::WARN,
            "the level of the log was changed",
        )
        .with(&["level"]),
        line(
            Event::NotEncoded(&fmt::Error),
            Level::ERROR,
            "metrics cannot be encoded",
        )
        .with(&["error"]),
    ]
}
