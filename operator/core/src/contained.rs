//! Whether a live object already holds everything that is desired of it.

use serde_json::Value;

use crate::quantity::thousandths;

/// Keys by which server-side apply merges the lists that children have: owner references,
/// containers and ports, spread constraints.
const MERGE_KEYS: [&str; 3] = ["uid", "name", "topologyKey"];

/// Whether every field of `desired` is in `live` with the same value. Maps may hold more in `live`
/// (defaults, other managers' fields). So may a list whose items have one of the [`MERGE_KEYS`],
/// since server-side apply merges those by key; other lists must agree item by item.
pub(crate) fn contained(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired.iter().all(|(key, want)| {
            live.get(key)
                .map_or(is_empty(want), |have| contained(want, have))
        }),
        (Value::Array(desired), Value::Array(live)) => match merge_key(desired) {
            Some(key) => desired.iter().all(|want| {
                live.iter()
                    .any(|have| have.get(key) == want.get(key) && contained(want, have))
            }),
            None => {
                desired.len() == live.len()
                    && desired
                        .iter()
                        .zip(live)
                        .all(|(want, have)| contained(want, have))
            }
        },
        (Value::String(want), Value::String(have)) => {
            want == have || thousandths(want).is_some_and(|value| thousandths(have) == Some(value))
        }
        _ => desired == live,
    }
}

fn merge_key(items: &[Value]) -> Option<&'static str> {
    MERGE_KEYS
        .into_iter()
        .find(|key| !items.is_empty() && items.iter().all(|item| item.get(key).is_some()))
}

/// The API server drops empty maps and lists that a typed field omits when empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_and_foreign_fields_beside_ours_are_no_drift() {
        let desired = json!({"spec": {"ports": [{"name": "grpc", "port": 8080}]}, "metadata": {"labels": {"a": "b"}}});
        let live = json!({
            "spec": {"ports": [{"name": "grpc", "port": 8080, "protocol": "TCP"}], "clusterIP": "10.0.0.1"},
            "metadata": {"labels": {"a": "b", "theirs": "c"}, "annotations": {"kept": "yes"}},
        });
        assert!(contained(&desired, &live));
    }

    #[test]
    fn a_foreign_value_in_a_field_of_ours_is_drift() {
        assert!(!contained(&json!({"replicas": 2}), &json!({"replicas": 3})));
        assert!(!contained(
            &json!({"args": ["a", "b"]}),
            &json!({"args": ["b", "a"]})
        ));
        assert!(!contained(&json!({"maxUnavailable": 0}), &json!({})));
        assert!(!contained(
            &json!({"env": [{"name": "A", "value": "1"}]}),
            &json!({"env": [{"name": "A", "value": "2"}]})
        ));
    }

    #[test]
    fn quantities_are_compared_by_value() {
        assert!(contained(&json!({"cpu": "1000m"}), &json!({"cpu": "1"})));
        assert!(!contained(&json!({"cpu": "1001m"}), &json!({"cpu": "1"})));
    }
}
