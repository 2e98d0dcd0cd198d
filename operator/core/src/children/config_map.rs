use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use sha2::{Digest, Sha256};

use super::named;
use crate::{Validated, hash::short_hash};

/// The service's settings. Immutable and named by its content's hash, so that a changed setting
/// rolls the pods and pods of the old revision keep what they started with.
pub(super) fn build(name: String, data: BTreeMap<String, String>) -> ConfigMap {
    ConfigMap {
        metadata: named(name),
        data: Some(data),
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
    let mut hasher = Sha256::new();
    add(data, &mut hasher);
    short_hash(&hasher.finalize())
}

/// Adds names and values to what is hashed, as no other set of them does.
pub(super) fn add(data: &BTreeMap<String, String>, hasher: &mut Sha256) {
    for part in data.iter().flat_map(|(name, value)| [name, value]) {
        hasher.update(part);
        hasher.update([0]);
    }
}
