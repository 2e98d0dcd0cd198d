//! The rules of the definition, evaluated here as by the API server, on the very cases that the scenarios give to a
//! real one. What a rule does not refuse, the shape of a field does: which case is which both sides hold against the
//! same list, so a rule that means something else here or there fails one of them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../../e2e/scenarios/tests/scenarios/admission/accepted.rs"]
mod accepted;
#[path = "../../../e2e/scenarios/tests/scenarios/admission/refused.rs"]
mod refused;
#[path = "../../../e2e/scenarios/tests/scenarios/admission/transitions.rs"]
mod transitions;

use std::{collections::BTreeSet, fs, path::PathBuf};

use kube_cel::{
    CompiledSchema, ErrorKind, ValidationError, ValidationErrors, Validator, WarningKind,
    compile_schema, estimate_rule_cost,
};
use serde_json::{Value, json};

/// Cases on which the evaluator here is known to differ from the API server, and how.
const GAPS: [(&str, &str); 1] = [(
    r#"users {"storage":null}"#,
    "it asks the rules of an object of null, which is no object to the API server",
)];

fn schema() -> Value {
    let version = operator_api::crd().spec.versions.swap_remove(0);
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema).unwrap()
}

/// Messages of the rules that a resource breaks. A rule that cannot be evaluated meets a value of another shape than
/// it was written for, of which the API server does not ask it.
fn broken(schema: &Value, name: &str, spec: &Value) -> Vec<String> {
    let resource = json!({"metadata": {"name": name}, "spec": spec});
    let answer = Validator::new().validate_with_defaults(schema, &resource, None);
    let errors = answer
        .err()
        .map(ValidationErrors::into_vec)
        .unwrap_or_default();
    errors
        .into_iter()
        .filter_map(|error| match error.kind {
            ErrorKind::ValidationFailure => Some(error.message),
            ErrorKind::EvaluationError => None,
            other => panic!("{}: {other:?}: {}", error.rule, error.message),
        })
        .collect()
}

/// What a change of a stored resource breaks.
fn broken_by(schema: &Value, change: &transitions::Transition) -> Vec<ValidationError> {
    let partitions = change.partitions;
    let status = partitions.map_or_else(|| json!({}), |count| json!({"partitions": count}));
    let resource = |spec: &Value| {
        let resource = json!({"metadata": {"name": "users"}, "spec": spec, "status": status});
        kube_cel::apply_defaults(schema, &resource)
    };
    let (before, after) = (resource(&change.before), resource(&change.after));
    let answer = Validator::new().validate(schema, &after, Some(&before));
    answer
        .err()
        .map(ValidationErrors::into_vec)
        .unwrap_or_default()
}

#[test]
fn what_depends_on_what_is_there_is_refused_and_accepted_as_by_the_api_server() {
    let schema = schema();
    for change in transitions::transitions() {
        let fields: Vec<String> = broken_by(&schema, &change)
            .into_iter()
            .map(|error| error.field_path.trim_start_matches('.').to_owned())
            .collect();
        let expected: Vec<&str> = change.refused.into_iter().collect();
        assert_eq!(fields, expected, "{} to {}", change.before, change.after);
    }
}

/// Messages of all rules below a node of the schema.
fn messages(node: &Value) -> BTreeSet<String> {
    let rules = node["x-kubernetes-validations"].as_array();
    let own = rules.into_iter().flatten();
    let own = own.filter_map(|rule| Some(rule["message"].as_str()?.to_owned()));
    let fields = node["properties"].as_object().into_iter().flatten();
    let inner = fields
        .map(|(_, field)| field)
        .chain([&node["items"], &node["additionalProperties"]])
        .filter(|inner| inner.is_object());
    own.chain(inner.flat_map(messages)).collect()
}

#[test]
fn every_rule_refuses_a_case_that_a_real_api_server_is_given_too() {
    let schema = schema();
    let mut refusing: BTreeSet<String> = refused::refused()
        .into_iter()
        .flat_map(|(name, spec, _)| broken(&schema, name, &spec))
        .collect();
    for change in transitions::transitions() {
        refusing.extend(
            broken_by(&schema, &change)
                .into_iter()
                .map(|error| error.message),
        );
    }
    let rules = messages(&schema);
    assert!(rules.len() > 30, "only {} rules were found", rules.len());
    let idle: Vec<&String> = rules.difference(&refusing).collect();
    assert!(idle.is_empty(), "no case for: {idle:#?}");
}

/// As JSON has it for those who cannot show it.
fn ascii(text: &str) -> String {
    let letter = |letter: char| match letter {
        ' '..='~' => letter.to_string(),
        other => format!("\\u{:04x}", u32::from(other)),
    };
    text.chars().map(letter).collect()
}

fn each_rule(
    path: &str,
    schema: &CompiledSchema,
    look: &mut impl FnMut(&str, &str, &CompiledSchema),
) {
    for rule in schema.validations.iter().flatten() {
        look(path, &rule.rule.rule, schema);
    }
    for (name, field) in &schema.properties {
        each_rule(&format!("{path}.{name}"), field, look);
    }
    for inner in [&schema.items, &schema.additional_properties]
        .into_iter()
        .flatten()
    {
        each_rule(&format!("{path}[]"), inner, look);
    }
}

#[test]
fn what_the_api_server_accepts_breaks_no_rule_here() {
    let schema = schema();
    for (name, spec) in accepted::accepted() {
        let broken = broken(&schema, name, &spec);
        assert!(broken.is_empty(), "{name} {spec}: {broken:?}");
    }
}

#[test]
fn what_the_api_server_refuses_breaks_a_rule_here_or_has_a_wrong_shape() {
    let schema = schema();
    let is_gap = |case: &String| GAPS.iter().any(|(gap, _)| gap == case);
    let by_shape: BTreeSet<String> = refused::refused()
        .into_iter()
        .map(|(name, spec, _)| (format!("{name} {spec}"), broken(&schema, name, &spec)))
        .filter(|(case, broken)| broken.is_empty() || is_gap(case))
        .map(|(case, _)| case)
        .collect();
    let mut by_shape = by_shape
        .iter()
        .map(|case| ascii(case))
        .collect::<Vec<_>>()
        .join("\n");
    by_shape.push('\n');
    let list = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../e2e/scenarios/tests/scenarios/admission/refused_by_shape.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&list, &by_shape).unwrap();
    }
    let expected = fs::read_to_string(&list).unwrap_or_default();
    assert!(
        by_shape == expected,
        "{} is stale; UPDATE_GOLDEN=1 rewrites it, and the scenarios ask a real API server. Now:\n{by_shape}",
        list.display()
    );
}

#[test]
fn every_known_gap_is_still_there() {
    let schema = schema();
    for (gap, why) in GAPS {
        let case = refused::refused()
            .into_iter()
            .find(|(name, spec, _)| format!("{name} {spec}") == gap);
        let (name, spec, _) = case.unwrap_or_else(|| panic!("{gap} is no case"));
        let broken = broken(&schema, name, &spec);
        assert!(!broken.is_empty(), "{gap}: no gap any more, though {why}");
    }
}

#[test]
fn every_rule_compiles_and_is_within_the_estimated_cost_that_the_api_server_allows() {
    let compiled = compile_schema(&schema());
    let errors = compiled.compilation_errors();
    assert!(errors.is_empty(), "{errors:?}");
    let mut count = 0;
    each_rule("", &compiled, &mut |path, rule, schema| {
        count += 1;
        let warnings = estimate_rule_cost(rule, schema);
        assert!(warnings.is_empty(), "{path}: {rule}: {warnings:?}");
    });
    assert!(count > 30, "only {count} rules were looked at");
}

/// The estimate is coarse: the API server's own, when it takes the definition, is the judge. But it is alive.
#[test]
fn a_rule_over_a_list_without_bound_would_be_found() {
    let open = json!({"type": "array", "items": {"type": "string"}});
    let rule = "self.all(a, self.exists_one(b, a == b))";
    let warnings = estimate_rule_cost(rule, &compile_schema(&open));
    let is_costly =
        |kind: &WarningKind| matches!(kind, WarningKind::CostExceeded | WarningKind::MissingBounds);
    assert!(
        warnings.iter().any(|warning| is_costly(&warning.kind)),
        "{warnings:?}"
    );
}
