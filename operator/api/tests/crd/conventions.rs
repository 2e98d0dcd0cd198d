//! What the API conventions ask of a definition, looked at field by field.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use operator_api::{DURATION_PATTERN, Quantity, crd};

use super::{schema, walk};

/// What is taken over from Kubernetes whole, in its own words.
const KUBERNETES: [&str; 3] = [
    ".spec.pod.affinity.",
    ".spec.pod.tolerations[].",
    ".status.conditions[].",
];

/// Enums in the words of those whom they belong to; all others are in `PascalCase`.
const FOREIGN_WORDS: [&str; 5] = [
    ".spec.events.kafka.saslMechanism",
    ".spec.events.kafka.securityProtocol",
    ".spec.events.kafka.topics.overrides[].name",
    ".spec.storage.mongodb.readPreference",
    ".spec.telemetry.logLevel",
];

/// Yes or no is the last word only where a pod template says so.
const BOOLEANS: [&str; 5] = [
    ".spec.pod.env[].valueFrom.configMapKeyRef.optional",
    ".spec.pod.env[].valueFrom.secretKeyRef.optional",
    ".spec.pod.volumes[].configMap.optional",
    ".spec.pod.volumes[].readOnly",
    ".spec.pod.volumes[].secret.optional",
];

/// What a number may count.
const UNITS: [&str; 12] = [
    "bytes",
    "calls",
    "connections",
    "copies",
    "generation",
    "number",
    "partitions",
    "percent",
    "pods",
    "ports",
    "range 1-100",
    "seconds",
];

fn is_of_kubernetes(path: &str) -> bool {
    KUBERNETES.iter().any(|prefix| path.starts_with(prefix))
}

/// An item of a list or a value of a map is described with its list or map.
fn is_unnamed(path: &str) -> bool {
    path.is_empty() || path.ends_with("[]") || path.ends_with("{}")
}

fn each(mut look: impl FnMut(&str, &JSONSchemaProps)) {
    let mut count = 0;
    walk("", &schema(), &mut |path, field| {
        count += 1;
        look(path, field);
    });
    assert!(count > 300, "only {count} fields were looked at");
}

#[test]
fn every_field_is_documented_and_typed() {
    each(|path, field| {
        let text = field.description.as_deref().unwrap_or_default();
        assert!(is_unnamed(path) || text.len() > 10, "{path} says nothing");
        assert!(!text.contains('\n'), "{path} has line breaks of its own");
        let typed = field.type_.is_some() || field.x_kubernetes_int_or_string == Some(true);
        assert!(typed, "{path} has no type");
        assert_eq!(field.nullable, None, "{path} is nullable");
        let open = field.x_kubernetes_preserve_unknown_fields;
        assert_eq!(open, None, "{path} keeps unknown fields");
    });
}

#[test]
fn everything_that_can_grow_is_bounded() {
    each(|path, field| match field.type_.as_deref() {
        Some("array") => {
            assert!(field.max_items.is_some(), "{path} is a list without bound");
            let how = field.x_kubernetes_list_type.as_deref();
            assert!(how.is_some(), "{path} does not say how it is merged");
            let keys = field.x_kubernetes_list_map_keys.is_some();
            assert_eq!(
                keys,
                how == Some("map"),
                "{path} has no key, or a needless one"
            );
        }
        Some("object") => {
            let is_map = field.additional_properties.is_some();
            assert!(
                !is_map || field.max_properties.is_some(),
                "{path} is a map without bound"
            );
        }
        Some("string") => {
            let bounded = field.enum_.is_some() || field.max_length.is_some();
            assert!(bounded, "{path} is a text without bound");
        }
        Some("integer") if path.starts_with(".status") => {
            assert!(field.minimum.is_some(), "{path} may be negative");
        }
        Some("integer") => {
            let bounded = field.minimum.is_some() && field.maximum.is_some();
            assert!(bounded, "{path} is a number without bounds");
        }
        Some("boolean") => assert!(BOOLEANS.contains(&path), "{path}: two words say more"),
        Some(other) => panic!("{path} is of type {other}, which nothing here needs"),
        None => assert!(field.max_length.is_some(), "{path} is a text without bound"),
    });
}

#[test]
fn every_word_of_a_choice_is_explained_where_it_is_chosen() {
    each(|path, field| {
        let text = field.description.as_deref().unwrap_or_default();
        for word in field.enum_.iter().flatten() {
            let word = word.0.as_str().unwrap();
            let said = if is_of_kubernetes(path) {
                text.contains(word)
            } else {
                text.contains(&format!("`{word}`"))
            };
            assert!(said, "{path} does not explain {word}");
            let is_pascal = word.starts_with(|first: char| first.is_ascii_uppercase())
                && word.contains(|letter: char| letter.is_ascii_lowercase())
                && word.chars().all(|letter| letter.is_ascii_alphanumeric());
            assert!(is_pascal || FOREIGN_WORDS.contains(&path), "{path}: {word}");
        }
    });
}

#[test]
fn every_number_says_what_it_counts() {
    each(|path, field| {
        let kind = field.type_.as_deref();
        let is_share = field.x_kubernetes_int_or_string == Some(true)
            && field.pattern.as_deref() != Some(Quantity::PATTERN);
        if is_unnamed(path) || !(kind == Some("integer") || is_share) {
            return;
        }
        let text = field
            .description
            .as_deref()
            .unwrap_or_default()
            .to_lowercase();
        let unit = UNITS.iter().find(|unit| text.contains(**unit));
        assert!(unit.is_some(), "{path} does not say what it counts: {text}");
    });
}

#[test]
fn a_time_that_passes_is_a_duration_with_its_bounds_in_words() {
    let mut found = 0;
    each(|path, field| {
        let name = path.rsplit('.').next().unwrap_or_default().to_lowercase();
        let names_one = ["timeout", "retention", "delay", "deadline"]
            .iter()
            .any(|end| name.ends_with(end));
        let is_one = field.pattern.as_deref() == Some(DURATION_PATTERN);
        let is_text = field.type_.as_deref() == Some("string");
        assert!(
            !(names_one && is_text) || is_one || is_of_kubernetes(path),
            "{path} is no duration"
        );
        if is_one {
            found += 1;
            let rule = field.x_kubernetes_validations.iter().flatten().next();
            let message = rule.and_then(|rule| rule.message.clone());
            let bounds = message.unwrap_or_else(|| panic!("{path} has no bounds"));
            let text = field.description.as_deref().unwrap_or_default();
            let (_, bounds) = bounds.split_once("between ").unwrap();
            let bounds = bounds.replace(" and ", " to ");
            assert!(text.contains(&bounds), "{path} does not say {bounds}");
        }
    });
    assert!(found > 5, "only {found} durations were looked at");
}

/// A persisted default would clash with the first real choice, and a rule that asks whether a field
/// is there would always find it.
#[test]
fn what_a_rule_asks_to_be_there_or_not_has_no_default() {
    let mut choices = 0;
    each(|path, field| {
        for rule in field.x_kubernetes_validations.iter().flatten() {
            let asked: Vec<&str> = rule
                .rule
                .split("has(self.")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
                .filter(|name| !name.contains('.'))
                .collect();
            for name in &asked {
                let name = name.trim_matches('_');
                let of = field
                    .properties
                    .as_ref()
                    .and_then(|fields| fields.get(name));
                let of = of.unwrap_or_else(|| panic!("{path} has no {name}"));
                assert_eq!(of.default, None, "{path}.{name} has a default");
            }
            let is_choice = rule.message.as_ref().unwrap().starts_with("exactly one");
            if is_choice {
                choices += 1;
                assert!(asked.len() > 1, "{path}: {}", rule.rule);
                assert_eq!(field.default, None, "{path} has a default");
            }
        }
    });
    assert!(choices >= 5, "only {choices} choices were looked at");
}

#[test]
fn every_rule_has_a_message_in_one_line_that_names_a_field() {
    each(|path, field| {
        for rule in field.x_kubernetes_validations.iter().flatten() {
            let message = rule.message.as_deref().unwrap_or_default();
            assert!(message.len() > 15, "{path}: {} says nothing", rule.rule);
            assert!(
                !message.contains('\n') && !rule.rule.contains('\n'),
                "{path}"
            );
        }
    });
}

#[test]
fn the_resource_can_be_listed_scaled_and_selected() {
    let spec = crd().spec;
    assert_eq!(spec.names.short_names.unwrap(), ["usvc"]);
    // `all` would be deleted by those who mean pods.
    assert_eq!(spec.names.categories.unwrap(), ["usersvc"]);
    let version = spec.versions.into_iter().next().unwrap();
    let subresources = version.subresources.unwrap();
    assert!(
        subresources.status.is_some(),
        "the status is written with the spec"
    );
    assert!(subresources.scale.unwrap().label_selector_path.is_some());

    let known = |path: &str| {
        let mut found = None;
        each(|at, field| {
            if at == path {
                found = Some(field.clone());
            }
        });
        found
    };
    let selectable = version.selectable_fields.unwrap();
    assert!(
        (1..=8).contains(&selectable.len()),
        "the API server takes 8"
    );
    for field in selectable {
        let of = known(&field.json_path).unwrap_or_else(|| panic!("no {}", field.json_path));
        let kind = of.type_.unwrap();
        assert!(["string", "integer", "boolean"].contains(&kind.as_str()));
    }
    for column in version.additional_printer_columns.unwrap() {
        let text = column.description.unwrap_or_default();
        assert!(text.len() > 10, "{} says nothing", column.name);
        let path = &column.json_path;
        let is_special = path.contains("[?(") || path.starts_with(".metadata");
        assert!(is_special || known(path).is_some(), "{path} is no field");
    }
}
