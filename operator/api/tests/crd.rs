//! The custom resource definition as users meet it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

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
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        walk(&format!("{path}[]"), item, look);
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
fn every_field_is_documented_and_typed() {
    walk("", &schema(), &mut |path, field| {
        if path.is_empty() || path.ends_with("[]") {
            return;
        }
        assert!(
            field
                .description
                .as_ref()
                .is_some_and(|text| text.len() > 10),
            "{path} has no documentation"
        );
        let typed = field.type_.is_some() || field.x_kubernetes_int_or_string == Some(true);
        assert!(typed, "{path} has no type");
        assert_eq!(field.nullable, None, "{path} is nullable");
        assert_eq!(
            field.x_kubernetes_preserve_unknown_fields, None,
            "{path} keeps unknown fields"
        );
    });
}

#[test]
fn everything_that_can_grow_is_bounded() {
    walk("", &schema(), &mut |path, field| {
        let open_map = matches!(
            field.additional_properties,
            Some(JSONSchemaPropsOrBool::Schema(_))
        );
        assert!(
            !open_map || field.max_properties.is_some(),
            "{path} is a map without bound"
        );
        match field.type_.as_deref() {
            Some("array") => {
                assert!(field.max_items.is_some(), "{path} is a list without bound");
                assert!(
                    field.x_kubernetes_list_type.is_some(),
                    "{path} has no list type"
                );
            }
            Some("string") if path.starts_with(".spec") => {
                assert!(
                    field.enum_.is_some() || field.max_length.is_some(),
                    "{path} is a string without bound"
                );
            }
            Some("integer") if path.starts_with(".spec") => {
                assert!(
                    field.minimum.is_some() && field.maximum.is_some(),
                    "{path} is a number without bounds"
                );
            }
            _ => {}
        }
    });
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
