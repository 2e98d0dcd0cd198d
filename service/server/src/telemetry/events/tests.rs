#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use user_application::OutboxError;
use user_application::testkit::publisher::unwritable;

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// The lines that were logged: level, message, and the names of the fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

type Line = (Level, String, Vec<&'static str>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        let line = (*event.metadata().level(), seen.message, seen.fields);
        self.0.lock().unwrap().push(line);
    }
}

#[derive(Default)]
struct Seen {
    message: String,
    fields: Vec<&'static str>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push(field.name());
        }
    }
}

/// The samples, without those that change by themselves.
fn samples(registry: &Registry) -> BTreeSet<String> {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("tokio_"));
    lines.map(ToOwned::to_owned).collect()
}

/// An event, and all that is told of it.
struct Told<'a> {
    event: Event<'a>,
    level: Level,
    message: &'static str,
    fields: &'static [&'static str],
    /// What is new among the samples, of metrics other than `dependency_ready`.
    samples: &'static [&'static str],
    state: Option<(Dependency, Option<&'static str>)>,
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

/// A value of each event, so that a new one has to be named here to be compiled.
fn place(event: &Event<'_>) -> usize {
    match event {
        Event::Waiting(..) => 0,
        Event::Works(_) => 1,
        Event::Fails(..) => 2,
        Event::RelayActive(_) => 3,
        Event::RelayInactive => 4,
        Event::Published(_) => 5,
        Event::PublishFailed(..) => 6,
        Event::Buried(..) => 7,
        Event::ProducerReplaced => 8,
        Event::CertificateInForce(_) => 9,
        Event::CertificateReloaded(_) => 10,
        Event::CertificateRefused(_) => 11,
        Event::CertificateRestored => 12,
        Event::HandshakeCompleted(_) => 13,
        Event::HandshakeFailed(..) => 14,
        Event::HandshakeTimedOut(_) => 15,
    }
}

fn of_events<'a>(
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
            Event::ProducerReplaced,
            Level::ERROR,
            "the Kafka producer broke down for good and was replaced",
        )
        .counted(&["kafka_producer_replaced_total 1"]),
    ]
}

fn of_tls(refused: &io::Error) -> Vec<Told<'_>> {
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

#[tokio::test]
async fn each_event_has_its_line_its_metric_and_its_word_about_a_dependency_and_no_other() {
    let refused = io::Error::other("connection refused");
    let outage = RelayError::Outbox(OutboxError::Unavailable("the primary is gone".into()));
    let poison = PublishError::Unpublishable("too large".into());
    let record = unwritable(1);
    let mut told = of_events(&refused, &outage, &record, &poison);
    told.extend(of_tls(&refused));
    let (metrics, registry) = Metrics::register(SystemTime::now()).unwrap();
    let journal = Journal::new(&metrics);
    let lines = Lines::default();
    let log = Dispatch::new(tracing_subscriber::registry().with(lines.clone()));
    for (number, told) in told.iter().enumerate() {
        assert_eq!(place(&told.event), number, "each event in its turn");
        let before = samples(&registry);
        let states = journal.dependencies().detail();
        tracing::dispatcher::with_default(&log, || journal.tell(told.event));

        let said = std::mem::take(&mut *lines.0.lock().unwrap());
        let expected = (told.level, told.message.to_owned(), told.fields.to_vec());
        assert_eq!(said, [expected]);
        let (readiness, counted): (BTreeSet<_>, BTreeSet<_>) = samples(&registry)
            .difference(&before)
            .cloned()
            .partition(|sample| sample.starts_with("dependency_ready"));
        let expected = told.samples.iter().map(ToString::to_string).collect();
        assert_eq!(counted, expected, "{}", told.message);
        let mut expected = states;
        if let Some((dependency, why)) = told.state {
            let value = u8::from(why.is_none());
            let sample = format!(
                "dependency_ready{{dependency=\"{}\"}} {value}",
                dependency.word()
            );
            assert!(samples(&registry).contains(&sample), "{sample}");
            expected[dependency.word()] = match why {
                None => serde_json::json!({"ready": true}),
                Some(why) => serde_json::json!({"ready": false, "why": why}),
            };
        } else {
            assert_eq!(readiness, BTreeSet::new(), "{}", told.message);
        }
        assert_eq!(journal.dependencies().detail(), expected);
    }
}

/// Every source file of the service but the one that tells.
fn other_sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(other_sources(&path));
        } else if !path.ends_with("telemetry/events.rs") && !path.ends_with("events/tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push((path, text));
        }
    }
    sources
}

#[test]
fn nobody_else_says_what_an_event_says() {
    let told = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/telemetry/events.rs"
    ));
    let told = told.unwrap();
    // The messages are what is between quotes and has a space in it.
    let lines = told.lines().map(|line| line.split("//").next().unwrap());
    let quoted: Vec<&str> = lines
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(|message| message.contains(' ') && !message.starts_with('{'))
        .collect();
    assert!(quoted.len() > 10, "{quoted:?}");
    for (path, text) in other_sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        for message in &quoted {
            assert!(!text.contains(message), "{message} in {}", path.display());
        }
    }
}

#[tokio::test]
async fn how_a_dependency_is_is_told_when_it_changes() {
    let (metrics, _registry) = Metrics::register(SystemTime::now()).unwrap();
    let journal = Journal::new(&metrics);
    let lines = Lines::default();
    let log = Dispatch::new(tracing_subscriber::registry().with(lines.clone()));
    tracing::dispatcher::with_default(&log, || {
        for state in [Ok(()), Ok(()), Err("gone"), Err("gone still"), Ok(())] {
            journal.heard(Dependency::Database, state);
        }
    });
    let said = std::mem::take(&mut *lines.0.lock().unwrap());
    let said: Vec<_> = said.iter().map(|(_, message, _)| &**message).collect();
    assert_eq!(
        said,
        [
            "the database works",
            "the database does not work",
            "the database works"
        ]
    );
}

#[tokio::test]
async fn what_failed_recovers_and_of_what_did_not_nothing_is_told() {
    let outage = RelayError::Outbox(OutboxError::Unavailable("the primary is gone".into()));
    let (metrics, registry) = Metrics::register(SystemTime::now()).unwrap();
    let journal = Journal::new(&metrics);
    let lines = Lines::default();
    let log = Dispatch::new(tracing_subscriber::registry().with(lines.clone()));
    tracing::dispatcher::with_default(&log, || {
        journal.recovered(Dependency::Relay);
        assert_eq!(journal.dependencies().detail(), serde_json::json!({}));
        journal.tell(Event::PublishFailed(&outage, DAY));
        journal.recovered(Dependency::Relay);
        journal.recovered(Dependency::Relay);
    });
    let said = std::mem::take(&mut *lines.0.lock().unwrap());
    let said: Vec<_> = said.iter().map(|(_, message, _)| &**message).collect();
    assert_eq!(
        said,
        ["publishing failed, will be tried again", "the relay works"]
    );
    let ready = "dependency_ready{dependency=\"relay\"} 1";
    assert!(samples(&registry).contains(ready));
    let detail = serde_json::json!({"relay": {"ready": true}});
    assert_eq!(journal.dependencies().detail(), detail);
}
