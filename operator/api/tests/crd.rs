//! The custom resource definition as users meet it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "crd/conventions.rs"]
mod conventions;

use std::{fs, path::PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use operator_api::{UserService, UserServiceSpec, crd};

fn schema() -> JSONSchemaProps {
    crd().spec.versions[0]
        .schema
        .clone()
        .unwrap()
        .open_api_v3_schema
        .unwrap()
}

/// Calls `look` with every schema node and its path.
fn walk(path: &str, schema: &JSONSchemaProps, look: &mut impl FnMut(&str, &JSONSchemaProps)) {
    look(path, schema);
    for (name, field) in schema.properties.iter().flatten() {
        walk(&format!("{path}.{name}"), field, look);
    }
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => walk(&format!("{path}[]"), item, look),
        Some(JSONSchemaPropsOrArray::Schemas(_)) => panic!("{path} has items by position"),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        walk(&format!("{path}{{}}"), value, look);
    }
}

#[test]
fn the_checked_in_definitions_are_current() {
    let generated = serde_yaml::to_string(&crd()).unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in [
        "crds/userservices.usersvc.dev.yaml",
        "charts/userservice-operator/files/userservices.usersvc.dev.yaml",
    ] {
        let checked_in = fs::read_to_string(root.join(file)).unwrap_or_default();
        assert!(checked_in == generated, "{file} is stale: make crds");
    }
}

#[test]
fn defaults_in_the_schema_are_those_of_the_types() {
    let parsed: UserService = serde_yaml::from_str("{metadata: {name: users}, spec: {}}").unwrap();
    assert_eq!(parsed.spec, UserServiceSpec::default());

    let spec = serde_yaml::to_value(UserServiceSpec::default()).unwrap();
    let fields = schema()
        .properties
        .unwrap()
        .remove("spec")
        .unwrap()
        .properties
        .unwrap();
    for (name, field) in fields {
        let of_schema = field
            .default
            .map(|default| serde_yaml::to_value(default.0).unwrap());
        assert_eq!(of_schema.as_ref(), spec.get(name.as_str()), "spec.{name}");
    }
}
