use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{hash, metadata};
use crate::Validated;

/// The service's settings. Immutable and named by its content's hash, so that a changed setting
/// rolls the pods and pods of the old revision keep what they started with.
pub(super) fn build(resource: &Validated) -> ConfigMap {
    let data = resource.settings.to_vars();
    let name = format!("{}-{}", resource.name, hash(content(&data).as_bytes()));
    ConfigMap {
        metadata: metadata(resource, name),
        data: Some(data),
        immutable: Some(true),
        ..ConfigMap::default()
    }
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
