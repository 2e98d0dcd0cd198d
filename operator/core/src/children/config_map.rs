use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{hash, metadata};
use crate::Validated;

/// The service's settings. Immutable and named by its content's hash, so that a changed setting
/// rolls the pods and pods of the old revision keep what they started with.
pub(super) fn build(resource: &Validated, data: &BTreeMap<String, String>) -> ConfigMap {
    ConfigMap {
        metadata: metadata(resource, name(resource, data)),
        data: Some(data.clone()),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// What the ConfigMap with these settings is called.
pub(crate) fn name(resource: &Validated, data: &BTreeMap<String, String>) -> String {
    format!("{}-{}", resource.name, digest(data))
}

/// A hash of names and values.
pub(crate) fn digest(data: &BTreeMap<String, String>) -> String {
    hash(content(data).as_bytes())
}

/// Names and values in one text that no other set of them has.
pub(super) fn content(data: &BTreeMap<String, String>) -> String {
    let mut content = String::new();
    for (name, value) in data {
        content.push_str(name);
        content.push('\0');
        content.push_str(value);
        content.push('\0');
    }
    content
}
