use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::named;
use crate::{Validated, hash::short_hash};

/// The service's settings, but for the settings themselves. Immutable and named by their hash, so
/// that a changed setting rolls the pods and pods of the old revision keep what they started with.
pub(super) fn build(name: String) -> ConfigMap {
    ConfigMap {
        metadata: named(name),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// Puts their [`digest`] in place of the settings in the live one of this name, which tells whether they are as they
/// should be. Settings that somebody else put under the name stay, to be compared one by one.
pub(super) fn condense(name: &str, live: &mut Value) {
    let Some(data) = live.get_mut("data") else {
        return;
    };
    let digest = BTreeMap::deserialize(&*data).map(|settings| digest(&settings));
    if let Ok(digest) = digest
        && name.ends_with(&digest)
    {
        *data = digest.into();
    }
}

/// Whether the live one, [condensed](condense) or not, has these settings.
pub(crate) fn holds(live: &Value, config: &BTreeMap<String, String>) -> bool {
    match live.get("data") {
        Some(Value::String(had)) => *had == digest(config),
        Some(Value::Object(had)) => config
            .iter()
            .all(|(name, value)| had.get(name).and_then(Value::as_str) == Some(value)),
        _ => config.is_empty(),
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
