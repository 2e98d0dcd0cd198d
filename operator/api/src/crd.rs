use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube_core::CustomResourceExt;

use crate::UserService;

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
            let spec = schema
                .properties
                .as_mut()
                .and_then(|fields| fields.get_mut("spec"));
            if let Some(spec) = spec {
                each(spec, &mut bound);
            }
        }
    }
    crd
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
            schema.max_length.get_or_insert(4096);
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
