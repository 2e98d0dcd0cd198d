use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::named;
use crate::{
    Validated,
    contained::contained,
    hash::{hex, short_hash},
};

/// The service's settings. Immutable and named by their hash, so that a changed setting rolls the
/// pods and pods of the old revision keep what they started with.
pub(super) fn build(name: String, data: BTreeMap<String, String>) -> ConfigMap {
    ConfigMap {
        metadata: named(name),
        data: Some(data),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// Puts a hash in place of the settings in the live one of this name: the whole one, of which the name
/// has the first digits. Settings that somebody else put under the name stay, to be compared one by one.
pub(super) fn condense(name: &str, live: &mut Value) {
    let Some(data) = live.get_mut("data") else {
        return;
    };
    if let Value::Object(settings) = &*data {
        let hash = sha256(settings);
        if name.ends_with(&short_hash(&hash)) {
            *data = hex(&hash).into();
        }
    }
}

/// Whether the live one, [condensed](condense) or not, has these settings.
pub(crate) fn holds(live: &Value, settings: &Value) -> bool {
    match (live.get("data"), settings) {
        (Some(Value::String(had)), Value::Object(settings)) => *had == hex(&sha256(settings)),
        (had, _) => had.is_some_and(|had| contained(settings, had)),
    }
}

fn sha256(settings: &Map<String, Value>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let parts = settings
        .iter()
        .map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    add(parts, &mut hasher);
    hasher.finalize().into()
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
pub(super) fn add(
    data: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
    hasher: &mut Sha256,
) {
    for (name, value) in data {
        for part in [name.as_ref(), value.as_ref()] {
            hasher.update(part);
            hasher.update([0]);
        }
    }
}
