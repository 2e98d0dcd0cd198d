//! Changes of a spec that depend on what is there.

use serde_json::{Value, json};

use super::refused::kafka;

/// A resource as it is, and a change of its spec.
pub(super) struct Transition {
    /// The spec before.
    pub(super) before: Value,
    /// `status.partitions`: what the topics have, if that is known.
    pub(super) partitions: Option<i32>,
    /// The spec after.
    pub(super) after: Value,
    /// The field that a refusal names; none if the change is accepted.
    pub(super) refused: Option<&'static str>,
}

fn of(before: Value, partitions: impl Into<Option<i32>>, after: Value) -> Transition {
    Transition {
        before,
        partitions: partitions.into(),
        after,
        refused: None,
    }
}

fn partitions(count: i32) -> Value {
    kafka(json!({"topics": {"partitions": count}}))
}

pub(super) fn transitions() -> Vec<Transition> {
    let lowered = Transition {
        refused: Some("spec.events.kafka.topics.partitions"),
        ..of(partitions(12), 12, partitions(6))
    };
    let below_what_is_there = Transition {
        refused: Some("spec.events.kafka.topics.partitions"),
        ..of(partitions(24), 12, partitions(11))
    };
    vec![
        lowered,
        below_what_is_there,
        // What was raised and is not in force may be taken back.
        of(partitions(24), 12, partitions(12)),
        of(partitions(12), None, partitions(6)),
        of(partitions(6), 6, partitions(12)),
        // More than is described, as somebody else made them, keeps nothing else from being changed.
        of(
            partitions(6),
            12,
            kafka(json!({"topics": {"partitions": 6, "retention": "1h"}})),
        ),
        // Other topics, elsewhere or by another name.
        of(
            partitions(12),
            12,
            kafka(json!({"topicPrefix": "other.", "topics": {"partitions": 6}})),
        ),
        of(
            partitions(12),
            12,
            kafka(json!({"bootstrapServers": ["elsewhere:9092"], "topics": {"partitions": 6}})),
        ),
        // The way back is open.
        of(partitions(12), 12, json!({})),
        of(partitions(12), 12, json!({"events": {"stdout": {}}})),
        of(json!({}), 12, partitions(1)),
        of(
            json!({"storage": {"mongodb": {"connection": {"secret": "a"}}}}),
            None,
            json!({"storage": {"memory": {}}}),
        ),
    ]
}
