use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube_core::CustomResourceExt;

use crate::{UserService, condition::MAX_MESSAGE};

/// The custom resource definition, as checked in under `crds/`.
///
/// No field is nullable: an absent field and `null` would be two ways to say the same thing, and
/// server-side apply and GitOps diffs tell them apart. Descriptions are free of line breaks, which
/// `kubectl explain` would print beside its own. What is taken over from Kubernetes whole, such as
/// an affinity, has no bounds there and gets some.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = UserService::crd();
    for version in &mut crd.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            each(schema, &mut tidy);
            if let Some(spec) = field(schema, "spec") {
                each(spec, &mut bound);
            }
            let conditions = field(schema, "status")
                .and_then(|status| field(status, "conditions"))
                .and_then(|conditions| conditions.items.as_mut());
            if let Some(JSONSchemaPropsOrArray::Schema(condition)) = conditions {
                bound_condition(condition);
            }
        }
    }
    crd
}

fn field<'a>(schema: &'a mut JSONSchemaProps, name: &str) -> Option<&'a mut JSONSchemaProps> {
    schema.properties.as_mut()?.get_mut(name)
}

/// Changes a schema and all that it is made of.
fn each(schema: &mut JSONSchemaProps, change: &mut impl FnMut(&mut JSONSchemaProps)) {
    change(schema);
    for field in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        each(field, change);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => each(item, change),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            for item in items {
                each(item, change);
            }
        }
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        each(values, change);
    }
}

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        *description = description.replace('\n', " ");
    }
}

/// Characters of a time by RFC 3339, to the nanosecond and with an offset, and some to spare.
const LONGEST_TIME: i64 = 64;

/// What the API conventions ask of a condition, which the type alone does not say.
fn bound_condition(condition: &mut JSONSchemaProps) {
    let bounds = [
        ("type", 316),
        ("reason", 1024),
        ("message", MAX_MESSAGE.try_into().unwrap_or(i64::MAX)),
        ("lastTransitionTime", LONGEST_TIME),
    ];
    for (name, most) in bounds {
        if let Some(text) = field(condition, name) {
            text.max_length = Some(most);
        }
    }
    if let Some(reason) = field(condition, "reason") {
        reason.min_length = Some(1);
    }
    if let Some(status) = field(condition, "status") {
        let words = ["True", "False", "Unknown"];
        status.enum_ = Some(words.map(|word| JSON(word.into())).to_vec());
    }
    if let Some(generation) = field(condition, "observedGeneration") {
        generation.minimum = Some(0.0);
    }
}

/// Bounds far above what anybody writes, so that no resource can grow without end and every rule's
/// cost can be estimated.
fn bound(schema: &mut JSONSchemaProps) {
    match schema.type_.as_deref() {
        Some("array") => {
            schema.max_items.get_or_insert(32);
            schema
                .x_kubernetes_list_type
                .get_or_insert_with(|| "atomic".to_owned());
        }
        Some("string") if schema.enum_.is_none() => {
            let is_time = schema.format.as_deref() == Some("date-time");
            let most = if is_time { LONGEST_TIME } else { 4096 };
            schema.max_length.get_or_insert(most);
        }
        Some("integer") if schema.minimum.is_none() && schema.maximum.is_none() => {
            schema.minimum = Some(f64::from(i32::MIN));
            schema.maximum = Some(f64::from(i32::MAX));
        }
        _ => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(_)) = &schema.additional_properties {
        schema.max_properties.get_or_insert(32);
    }
}
