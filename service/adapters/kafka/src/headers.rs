//! What stands beside the value: `CloudEvents` attributes, the trace, and why an event was given up.

use std::error::Error;
use std::fmt::Write as _;
use std::time::SystemTime;

use rdkafka::message::{Header, OwnedHeaders, ToBytes};
use user_application::{OutboxRecord, PublishError};

use crate::Framing;
use crate::events::event_type_of;
use crate::framing::SCHEMA_ID_HEADER;
use crate::message::since_epoch;

/// `source` of every event: which kind of service it comes from, as a URI reference.
pub const SOURCE: &str = "//usersvc.dev/user-service";

const CONTENT_TYPE: &str = "application/protobuf";

/// Headers of an event, as `CloudEvents` 1.0 puts them for Kafka in binary mode. `ce_sequence` is the user's version,
/// padded to 20 digits because that extension wants text whose order is that of the events.
///
/// A time that cannot be written down is left out: it is an optional attribute.
pub(crate) fn event(record: &OutboxRecord, framing: &Framing) -> OwnedHeaders {
    let event = &record.event;
    let kind = event.kind();
    let headers = OwnedHeaders::new_with_capacity(12)
        .with("ce_specversion", "1.0")
        .with("ce_id", &event.id().to_string())
        .with("ce_source", SOURCE)
        .with("ce_type", event_type_of(kind))
        .with("ce_subject", &event.user_id().to_string())
        .with("ce_sequence", &format!("{:020}", event.version().get()))
        .with("content-type", CONTENT_TYPE)
        .with_some("ce_time", time(event.occurred_at()).as_deref());
    let headers = match &record.trace {
        Some(trace) => headers
            .with("traceparent", trace.parent())
            .with_some("tracestate", trace.state()),
        None => headers,
    };
    match framing {
        Framing::Header(ids) => headers.with(SCHEMA_ID_HEADER, ids.of(kind).header().as_slice()),
        Framing::Bare | Framing::Prefix(_) => headers,
    }
}

/// Headers of an event that is given up: its own, and why, under the names that Kafka Connect gives to that. All values
/// are text.
pub(crate) fn dead_letter(
    record: &OutboxRecord,
    framing: &Framing,
    topic: &str,
    reason: &PublishError,
) -> OwnedHeaders {
    let class = match reason {
        PublishError::Unavailable(_) => "PublishError::Unavailable",
        PublishError::Refused(_) => "PublishError::Refused",
        PublishError::Unpublishable(_) => "PublishError::Unpublishable",
    };
    // The attempt that led here is counted nowhere else.
    let attempts = record.attempts.saturating_add(1);
    event(record, framing)
        .with("__connect.errors.topic", topic)
        .with("__connect.errors.exception.class.name", class)
        .with("__connect.errors.exception.message", &chain(reason))
        .with("x-outbox-id", &record.event.id().to_string())
        .with("x-attempts", &attempts.to_string())
        .with("x-reason", reason.reason())
}

/// Says that the value was left out, and why.
pub(crate) fn without_value(headers: OwnedHeaders, why: &str) -> OwnedHeaders {
    headers.with("x-value-omitted", why)
}

/// To the millisecond.
fn time(time: SystemTime) -> Option<String> {
    since_epoch(time)
        .is_ok()
        .then(|| humantime::format_rfc3339_millis(time).to_string())
}

/// An error with what it comes from.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

trait With: Sized {
    fn with<V: ToBytes + ?Sized>(self, key: &str, value: &V) -> Self;

    fn with_some<V: ToBytes + ?Sized>(self, key: &str, value: Option<&V>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl With for OwnedHeaders {
    fn with<V: ToBytes + ?Sized>(self, key: &str, value: &V) -> Self {
        self.insert(Header {
            key,
            value: Some(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rdkafka::message::Headers as _;
    use user_application::TraceContext;
    use user_application::testkit::new_user;

    use super::*;
    use crate::{EncodeError, PerEvent, SchemaId};

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn record() -> OutboxRecord {
        OutboxRecord {
            event: new_user(1, "ada@example.com").1,
            trace: TraceContext::parse(PARENT, Some("vendor=1")),
            attempts: 4,
        }
    }

    fn texts(headers: &OwnedHeaders) -> BTreeMap<String, String> {
        headers
            .iter()
            .map(|header| {
                let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
                (header.key.to_owned(), value)
            })
            .collect()
    }

    fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    const EVENT: [(&str, &str); 10] = [
        ("ce_id", "00000000-0000-0000-0000-000100000002"),
        ("ce_sequence", "00000000000000000001"),
        ("ce_source", "//usersvc.dev/user-service"),
        ("ce_specversion", "1.0"),
        ("ce_subject", "00000000-0000-0000-0000-000100000001"),
        ("ce_time", "1970-01-01T00:00:00.001Z"),
        ("ce_type", "user.created"),
        ("content-type", "application/protobuf"),
        ("traceparent", PARENT),
        ("tracestate", "vendor=1"),
    ];

    #[test]
    fn an_event_has_the_attributes_of_cloud_events_and_its_trace_as_it_came() {
        assert_eq!(texts(&event(&record(), &Framing::Bare)), map(EVENT));
        let untraced = OutboxRecord {
            trace: None,
            ..record()
        };
        assert_eq!(event(&untraced, &Framing::Bare).count(), EVENT.len() - 2);
    }

    #[test]
    fn in_header_mode_the_schema_stands_beside_the_value() {
        let ids = PerEvent::from_fn(|_| SchemaId {
            number: 9,
            guid: None,
        });
        let headers = event(&record(), &Framing::Header(ids));
        let schema = headers.iter().find(|header| header.key == SCHEMA_ID_HEADER);
        assert_eq!(schema.unwrap().value, Some(&[0, 0, 0, 0, 9, 0][..]));
    }

    #[test]
    fn a_dead_letter_says_why_and_holds_nothing_personal_beside_its_value() {
        let reason = PublishError::Unpublishable(Box::new(EncodeError::Time));
        let headers = dead_letter(&record(), &Framing::Bare, "users.user.created", &reason);
        let mut expected = map(EVENT);
        expected.extend(map([
            ("__connect.errors.topic", "users.user.created"),
            (
                "__connect.errors.exception.class.name",
                "PublishError::Unpublishable",
            ),
            (
                "__connect.errors.exception.message",
                "the event cannot be published: a time of the event is before 1970 or after 9999",
            ),
            ("x-outbox-id", "00000000-0000-0000-0000-000100000002"),
            ("x-attempts", "5"),
            ("x-reason", "unpublishable"),
        ]));
        assert_eq!(texts(&headers), expected);
    }
}
