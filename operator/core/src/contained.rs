//! Whether a live object already holds everything that is desired of it, and where it does not.

use std::fmt;

use serde_json::Value;

use crate::quantity::thousandths;

/// Keys by which server-side apply merges the lists that children have: owner references,
/// containers and ports, spread constraints.
const MERGE_KEYS: [&str; 3] = ["uid", "name", "topologyKey"];

/// Fields that server-side apply replaces as a whole, with all that is in them, and of which the API server completes
/// nothing: selectors, the rules of a policy and the terms of an affinity.
const REPLACED: [&str; 9] = [
    "selector",
    "podSelector",
    "namespaceSelector",
    "labelSelector",
    "nodeSelector",
    "ingress",
    "egress",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
];

/// A field that is not as desired.
#[derive(Debug)]
pub(crate) struct Difference<'a> {
    /// Path of the field, such as `spec.template.spec.containers[user-service].image`.
    pub(crate) path: String,
    /// What it has; nothing if it is not there.
    pub(crate) have: Option<&'a Value>,
    /// What it shall have.
    pub(crate) want: &'a Value,
}

/// Whether every field of `desired` is in `live` with the same value. Maps may hold more in `live`
/// (defaults, other managers' fields) unless they are [`REPLACED`]: there one label more selects
/// something else. So may a list elsewhere whose items have one of the [`MERGE_KEYS`], since
/// server-side apply merges those by key; other lists must agree item by item.
pub(crate) fn contained(desired: &Value, live: &Value) -> bool {
    agree(desired, live, &Path::Root)
}

/// Every field of `desired` that [`contained`] misses in `live`.
pub(crate) fn differences<'a>(desired: &'a Value, live: &'a Value) -> Vec<Difference<'a>> {
    let mut found = Vec::new();
    compare(desired, live, &Path::Root, &mut found);
    found
}

/// Where a comparison is, as a chain of what it came through.
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, &'a Value),
}

impl Path<'_> {
    /// Whether it leads to what is [`REPLACED`], or into it.
    fn is_replaced(&self) -> bool {
        match self {
            Self::Root => false,
            Self::Field(parent, name) => REPLACED.contains(name) || parent.is_replaced(),
            Self::Item(parent, _) => parent.is_replaced(),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) if name.contains(['.', '/']) => write!(f, "{parent}[{name}]"),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, Value::String(key)) => write!(f, "{parent}[{key}]"),
            Self::Item(parent, key) => write!(f, "{parent}[{key}]"),
        }
    }
}

fn agree(desired: &Value, live: &Value, path: &Path<'_>) -> bool {
    let mut found = Vec::new();
    compare(desired, live, path, &mut found);
    found.is_empty()
}

fn compare<'a>(
    desired: &'a Value,
    live: &'a Value,
    path: &Path<'_>,
    found: &mut Vec<Difference<'a>>,
) {
    match (desired, live) {
        (Value::Object(wanted), Value::Object(had))
            if path.is_replaced() && had.keys().any(|key| !wanted.contains_key(key)) =>
        {
            found.push(difference(path, desired, Some(live)));
        }
        (Value::Object(wanted), Value::Object(had)) => {
            for (key, want) in wanted {
                let path = Path::Field(path, key);
                match had.get(key) {
                    Some(have) => compare(want, have, &path, found),
                    None if is_empty(want) => {}
                    None => found.push(difference(&path, want, None)),
                }
            }
        }
        (Value::Array(wanted), Value::Array(had)) => match merge_key(wanted, path) {
            Some(key) => {
                for want in wanted {
                    let id = want.get(key);
                    let path = Path::Item(path, id.unwrap_or(want));
                    match had.iter().find(|have| have.get(key) == id) {
                        Some(have) => compare(want, have, &path, found),
                        None => found.push(difference(&path, want, None)),
                    }
                }
            }
            None if wanted.len() == had.len()
                && wanted.iter().zip(had).all(|(w, h)| agree(w, h, path)) => {}
            None => found.push(difference(path, desired, Some(live))),
        },
        _ if same(desired, live) => {}
        _ => found.push(difference(path, desired, Some(live))),
    }
}

fn difference<'a>(path: &Path<'_>, want: &'a Value, have: Option<&'a Value>) -> Difference<'a> {
    Difference {
        path: path.to_string(),
        have,
        want,
    }
}

fn same(want: &Value, have: &Value) -> bool {
    match (want, have) {
        (Value::String(want), Value::String(have)) => {
            want == have || thousandths(want).is_some_and(|value| thousandths(have) == Some(value))
        }
        _ => want == have,
    }
}

fn merge_key(items: &[Value], path: &Path<'_>) -> Option<&'static str> {
    let key = MERGE_KEYS
        .into_iter()
        .find(|key| !items.is_empty() && items.iter().all(|item| item.get(key).is_some()));
    key.filter(|_| !path.is_replaced())
}

/// The API server drops empty maps, lists and texts that a typed field omits when empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
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
    fn more_in_what_is_replaced_as_a_whole_is_drift_and_named_with_all_of_it() {
        let desired =
            json!({"spec": {"selector": {"app": "users"}, "egress": [{"ports": [{"port": 53}]}]}});
        let mut live = desired.clone();
        live["spec"]["clusterIP"] = json!("10.0.0.1");
        assert!(contained(&desired, &live));
        live["spec"]["selector"]["track"] = json!("canary");
        live["spec"]["egress"][0]["to"] = json!([]);
        let found: Vec<_> = differences(&desired, &live)
            .into_iter()
            .map(|difference| (difference.path, difference.have, difference.want))
            .collect();
        let of = |field: &str| {
            let path = format!("spec.{field}");
            (path, Some(&live["spec"][field]), &desired["spec"][field])
        };
        assert_eq!(found, [of("egress"), of("selector")]);
    }

    #[test]
    fn a_difference_names_its_field_with_what_is_and_what_shall_be() {
        let desired = json!({
            "metadata": {"annotations": {"usersvc.dev/hash": "1"}},
            "containers": [{"name": "a", "image": "x:2"}, {"name": "b"}],
        });
        let live = json!({
            "metadata": {"annotations": {}},
            "containers": [{"name": "a", "image": "x:1"}],
        });
        let found: Vec<_> = differences(&desired, &live)
            .into_iter()
            .map(|difference| (difference.path, difference.have, difference.want))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "containers[a].image".to_owned(),
                    Some(&json!("x:1")),
                    &json!("x:2")
                ),
                ("containers[b]".to_owned(), None, &json!({"name": "b"})),
                (
                    "metadata.annotations[usersvc.dev/hash]".to_owned(),
                    None,
                    &json!("1")
                ),
            ]
        );
    }

    #[test]
    fn quantities_are_compared_by_value() {
        assert!(contained(&json!({"cpu": "1000m"}), &json!({"cpu": "1"})));
        assert!(!contained(&json!({"cpu": "1001m"}), &json!({"cpu": "1"})));
    }
}
