//! Secrets that a resource refers to. Only names, keys and digests get here, never what a Secret
//! holds.

use std::collections::{BTreeMap, BTreeSet};

use operator_api::{SecretReference, UserService};
use sha2::{Digest, Sha256};

use crate::children::short_hash;

/// Keys that a Secret has, each with the [`secret_digest`] of its value.
pub type SecretKeys = BTreeMap<String, String>;

/// A digest of what a Secret holds under a key, salted with the UID of the resource, so that the
/// same value looks different in every resource.
pub fn secret_digest(uid: &str, key: &str, value: &[u8]) -> String {
    let mut hasher = Sha256::new();
    for part in [uid.as_bytes(), key.as_bytes()] {
        hasher.update(part);
        hasher.update([0]);
    }
    hasher.update(value);
    short_hash(&hasher.finalize())
}

/// Names of all Secrets that the spec refers to, whatever else is wrong with it.
pub fn secret_names(resource: &UserService) -> BTreeSet<&str> {
    let kafka = resource
        .spec
        .events
        .as_ref()
        .and_then(|events| events.kafka.as_ref());
    let registry = kafka.and_then(|kafka| kafka.schema_registry.as_ref());
    let mongodb = resource
        .spec
        .storage
        .as_ref()
        .and_then(|storage| storage.mongodb.as_ref());
    let credentials = [
        kafka.and_then(|kafka| kafka.credentials.as_ref()),
        registry.and_then(|registry| registry.credentials.as_ref()),
    ];
    credentials
        .into_iter()
        .flatten()
        .map(|SecretReference { secret }| secret.as_str())
        .chain(mongodb.map(|mongodb| mongodb.connection.secret.as_str()))
        .collect()
}

/// A Secret as the pods get it: some of its keys as files in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretMount {
    /// Path of the field of the spec that names the Secret.
    pub(crate) field: &'static str,
    /// Name of the volume.
    pub(crate) volume: &'static str,
    /// Name of the Secret.
    pub(crate) secret: String,
    /// Folder in the container.
    pub(crate) directory: &'static str,
    /// Its files.
    pub(crate) files: Vec<SecretFile>,
}

/// One key of a Secret as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretFile {
    /// Key of the Secret.
    pub(crate) key: String,
    /// Name of the file.
    pub(crate) path: &'static str,
    /// Whether the Secret must have it.
    pub(crate) need: Need,
}

/// Whether a Secret must have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Always,
    /// It may.
    Optional,
    /// It must if it has this other one.
    With(&'static str),
}

impl SecretFile {
    /// A file named like its key.
    pub(crate) fn named(key: &'static str, need: Need) -> Self {
        Self {
            key: key.to_owned(),
            path: key,
            need,
        }
    }

    fn is_needed(&self, keys: &SecretKeys) -> bool {
        match self.need {
            Need::Always => true,
            Need::Optional => false,
            Need::With(other) => keys.contains_key(other),
        }
    }
}

/// A digest of everything that the pods get from Secrets; `None` if they get nothing.
///
/// # Errors
/// The first Secret or key that is missing, in words, with the field that names it and what to do.
pub(crate) fn fingerprint<'a>(
    mounts: impl IntoIterator<Item = &'a SecretMount>,
    secrets: &BTreeMap<String, SecretKeys>,
) -> Result<Option<String>, String> {
    let mut hasher = Sha256::new();
    let mut has_any = false;
    for mount in mounts {
        has_any = true;
        let SecretMount {
            field,
            secret,
            files,
            ..
        } = mount;
        let Some(keys) = secrets.get(secret) else {
            let needed: Vec<&str> = files
                .iter()
                .filter(|file| file.need == Need::Always)
                .map(|file| file.key.as_str())
                .collect();
            let with = if needed.is_empty() {
                String::new()
            } else {
                format!(" with {}", needed.join(" and "))
            };
            return Err(format!(
                "{field}: Secret {secret} does not exist: create it in the namespace of this resource{with}."
            ));
        };
        for file in files {
            match keys.get(&file.key) {
                Some(digest) => hasher.update(format!("{secret}/{}/{digest}\n", file.key)),
                None if file.is_needed(keys) => {
                    let key = &file.key;
                    return Err(format!(
                        "{field}: Secret {secret} has no key {key}: add it, or name another key or Secret."
                    ));
                }
                None => {}
            }
        }
    }
    Ok(has_any.then(|| short_hash(&hasher.finalize())))
}
