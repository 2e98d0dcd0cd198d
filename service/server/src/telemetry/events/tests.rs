#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod told;

use std::collections::BTreeSet;
use std::fs;
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

/// What takes the lines, and a second one, to be held as long: of one alone tracing asks the thread that comes to an event
/// first, which may be another test's and have none.
fn log(lines: &Lines) -> (Dispatch, Dispatch) {
    let log = Dispatch::new(tracing_subscriber::registry().with(lines.clone()));
    (log, Dispatch::new(tracing_subscriber::registry()))
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
        Event::ProducerReplaced(_) => 8,
        Event::CertificateInForce(_) => 9,
        Event::CertificateReloaded(_) => 10,
        Event::CertificateRefused(_) => 11,
        Event::CertificateRestored => 12,
        Event::CertificateExpired(_) => 13,
        Event::HandshakeCompleted(_) => 14,
        Event::HandshakeFailed(..) => 15,
        Event::HandshakeTimedOut(_) => 16,
        Event::ConnectionRefused(_) => 17,
        Event::ConnectionCut(_) => 18,
        Event::ConnectionFailed(..) => 19,
        Event::RelayLeft(_) => 20,
        Event::LeaseKept(_) => 21,
        Event::BacklogUnknown(_) => 22,
        Event::Serving => 23,
        Event::Draining(_) => 24,
        Event::CallsCut(..) => 25,
        Event::FlushTimedOut(_) => 26,
        Event::TelemetryLeft => 27,
        Event::Stopped => 28,
        Event::LogLevelChanged(_) => 29,
        Event::NotEncoded(_) => 30,
    }
}

#[tokio::test]
async fn each_event_has_its_line_its_metric_and_its_word_about_a_dependency_and_no_other() {
    let refused = io::Error::other("connection refused");
    let outage = RelayError::Outbox(OutboxError::Unavailable("the primary is gone".into()));
    let poison = PublishError::Unpublishable("too large".into());
    let record = unwritable(1);
    let unavailable = OutboxError::Unavailable("the primary is gone".into());
    let mut told = told::of_dependencies(&refused, &outage, &record, &poison);
    told.extend(told::of_tls(&refused));
    told.extend(told::of_connections(&refused));
    told.extend(told::of_the_process(&unavailable));
    let (metrics, registry) = Metrics::register(SystemTime::now()).unwrap();
    let journal = Journal::new(&metrics);
    let lines = Lines::default();
    let (log, _second) = log(&lines);
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

/// Where lines may be written: here, and in the one place that each adapter has for it.
const TOLD: [&str; 4] = [
    "adapters/grpc/src/telemetry.rs",
    "adapters/kafka/src/telemetry.rs",
    "adapters/mongodb/src/telemetry.rs",
    "server/src/telemetry/events.rs",
];

/// What is said where there are no metrics yet, or none at all: of the process by its command line and its signals, and
/// by commands. And of a panic, which is a defect.
const ELSEWHERE: [&str; 5] = [
    "server/src/cli.rs",
    "server/src/commands/migrate.rs",
    "server/src/lifecycle.rs",
    "server/src/signals.rs",
    "server/src/task.rs",
];

/// Every source file of the service.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

#[test]
fn lines_are_written_in_one_place_of_each_crate_and_where_there_are_no_metrics() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let names = ["trace", "debug", "info", "warn", "error", "event"];
    let macros = names.map(|name| format!("tracing::{name}!"));
    // None by a name of its own either.
    let mut imports = ["::*", " as"]
        .map(|how| format!("use tracing{how}"))
        .to_vec();
    imports.extend(names.map(|name| format!("use tracing::{name};")));
    let is_among = |list: &str| {
        let imported = list.split('}').next().unwrap_or_default().split(',');
        imported.map(str::trim).any(|name| names.contains(&name))
    };
    let writes = |text: &String| {
        let mut all = macros.iter().chain(&imports);
        all.any(|part| text.contains(part)) || text.split("use tracing::{").skip(1).any(is_among)
    };
    let written: BTreeSet<PathBuf> = sources(root)
        .into_iter()
        .filter(|(_, text)| writes(text))
        .map(|(path, _)| path.strip_prefix(root).unwrap().to_owned())
        .filter(|path| path.iter().any(|folder| folder == "src"))
        .collect();
    let expected = TOLD.iter().chain(&ELSEWHERE).map(PathBuf::from);
    assert_eq!(written, expected.collect());
}

#[tokio::test]
async fn how_a_dependency_is_is_told_when_it_changes() {
    let (metrics, _registry) = Metrics::register(SystemTime::now()).unwrap();
    let journal = Journal::new(&metrics);
    let lines = Lines::default();
    let (log, _second) = log(&lines);
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
    let (log, _second) = log(&lines);
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
