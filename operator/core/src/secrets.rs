//! Secrets that a resource refers to. Only names, keys and digests get here, never what a Secret
//! holds.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use kube_core::ResourceExt;
use operator_api::{EnvSource, PodSpec, SecretReference, UserService};
use sha2::{Digest, Sha256};

use crate::{children::certificate_secret, hash::short_hash};

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

/// Names of all Secrets that the spec refers to, or that cert-manager writes for it, whatever else is
/// wrong with it.
pub fn secret_names(resource: &UserService) -> BTreeSet<Cow<'_, str>> {
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
    let tls = resource.spec.tls.as_ref();
    let issued = tls
        .and_then(|tls| tls.certificate.as_ref())
        .map(|_| certificate_secret(&resource.name_any()));
    let client_ca = tls.and_then(|tls| tls.client_ca.as_ref());
    let credentials = [
        kafka.and_then(|kafka| kafka.credentials.as_ref()),
        registry.and_then(|registry| registry.credentials.as_ref()),
    ];
    credentials
        .into_iter()
        .flatten()
        .map(|SecretReference { secret }| secret.as_str())
        .chain(mongodb.map(|mongodb| mongodb.connection.secret.as_str()))
        .chain(tls.and_then(|tls| tls.secret.as_deref()))
        .chain(client_ca.map(|authorities| authorities.secret.as_str()))
        .chain(extras(&resource.spec.pod).map(|need| need.secret))
        .map(Cow::Borrowed)
        .chain(issued.map(Cow::Owned))
        .collect()
}

/// What the pods need of a Secret.
pub(crate) struct SecretNeed<'a> {
    field: &'static str,
    secret: &'a str,
    /// Whether the Secret may be missing.
    is_optional: bool,
    /// Whether only the pods that answer calls get it, and not those that prepare for them.
    serves_only: bool,
    keys: Vec<KeyNeed<'a>>,
}

/// What the pods need of a key.
struct KeyNeed<'a> {
    key: &'a str,
    need: Need,
    /// Whether running pods need not be replaced when the content changes.
    is_reloaded: bool,
}

impl<'a> From<&'a SecretMount> for SecretNeed<'a> {
    fn from(mount: &'a SecretMount) -> Self {
        let keys = mount.files.iter().map(|file| KeyNeed {
            key: &file.key,
            need: file.need,
            is_reloaded: file.is_reloaded,
        });
        Self {
            field: mount.field,
            secret: &mount.secret,
            is_optional: false,
            serves_only: mount.serves_only,
            keys: keys.collect(),
        }
    }
}

impl SecretNeed<'_> {
    fn missing(&self) -> String {
        let Self { field, secret, .. } = self;
        let needed: Vec<&str> = self
            .keys
            .iter()
            .filter(|key| key.need == Need::Always)
            .map(|key| key.key)
            .collect();
        let with = if needed.is_empty() {
            String::new()
        } else {
            format!(" with {}", needed.join(" and "))
        };
        format!(
            "{field}: Secret {secret} does not exist: create it in the namespace of this resource{with}."
        )
    }
}

/// What the spec gives the pods from Secrets beside what the service is set up with. The files of a
/// volume change in the running pods, so their content does not matter.
pub(crate) fn extras(pod: &PodSpec) -> impl Iterator<Item = SecretNeed<'_>> {
    let variables = pod.env.iter().filter_map(|variable| {
        let EnvSource { secret_key_ref, .. } = variable.value_from.as_ref()?;
        let reference = secret_key_ref.as_ref()?;
        let need = if reference.optional {
            Need::Optional
        } else {
            Need::Always
        };
        Some(SecretNeed {
            field: "spec.pod.env",
            secret: &reference.name,
            is_optional: reference.optional,
            serves_only: false,
            keys: vec![KeyNeed {
                key: &reference.key,
                need,
                is_reloaded: false,
            }],
        })
    });
    let volumes = pod.volumes.iter().filter_map(|volume| {
        let secret = volume.secret.as_ref()?;
        Some(SecretNeed {
            field: "spec.pod.volumes",
            secret: &secret.secret_name,
            is_optional: secret.optional,
            serves_only: false,
            keys: Vec::new(),
        })
    });
    variables.chain(volumes)
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
    /// Whether only the pods that answer calls get it: nothing is prepared with it.
    pub(crate) serves_only: bool,
    /// Whether cert-manager writes it, so that it is no fault of the user's while it is missing.
    pub(crate) is_issued: bool,
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
    /// Whether running pods take a changed file into force by themselves.
    pub(crate) is_reloaded: bool,
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
    /// A file named like its key, whose change replaces the pods.
    pub(crate) fn named(key: &'static str, need: Need) -> Self {
        Self {
            key: key.to_owned(),
            path: key,
            need,
            is_reloaded: false,
        }
    }

    /// The same, whose change running pods take into force by themselves.
    pub(crate) fn reloaded(key: &'static str, need: Need) -> Self {
        Self {
            is_reloaded: true,
            ..Self::named(key, need)
        }
    }
}

impl Need {
    fn holds(self, keys: &SecretKeys) -> bool {
        match self {
            Self::Always => true,
            Self::Optional => false,
            Self::With(other) => keys.contains_key(other),
        }
    }
}

/// Digests of what pods get from Secrets; `None` if they get nothing.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints {
    /// Of what replaces the pods that answer calls when it changes.
    pub(crate) pods: Option<String>,
    /// Of all that those have that prepare for them.
    pub(crate) preparation: Option<String>,
}

/// Digests of everything that matters in the Secrets.
///
/// # Errors
/// The first Secret or key that is missing, in words, with the field that names it and what to do.
pub(crate) fn fingerprints<'a>(
    needs: impl IntoIterator<Item = SecretNeed<'a>>,
    secrets: &BTreeMap<String, SecretKeys>,
) -> Result<Fingerprints, String> {
    let (mut pods, mut preparation) = (Fingerprint::default(), Fingerprint::default());
    for need in needs {
        let (field, secret) = (need.field, need.secret);
        pods.has_any |= need.keys.iter().any(|key| !key.is_reloaded);
        preparation.has_any |= !need.keys.is_empty() && !need.serves_only;
        let Some(keys) = secrets.get(secret) else {
            if need.is_optional {
                continue;
            }
            return Err(need.missing());
        };
        for wanted in &need.keys {
            let key = wanted.key;
            match keys.get(key) {
                Some(digest) => {
                    let line = format!("{secret}/{key}/{digest}\n");
                    if !wanted.is_reloaded {
                        pods.hasher.update(&line);
                    }
                    if !need.serves_only {
                        preparation.hasher.update(&line);
                    }
                }
                None if wanted.need.holds(keys) => {
                    return Err(format!(
                        "{field}: Secret {secret} has no key {key}: add it, or name another key or Secret."
                    ));
                }
                None => {}
            }
        }
    }
    Ok(Fingerprints {
        pods: pods.finish(),
        preparation: preparation.finish(),
    })
}

#[derive(Default)]
struct Fingerprint {
    hasher: Sha256,
    has_any: bool,
}

impl Fingerprint {
    fn finish(self) -> Option<String> {
        self.has_any.then(|| short_hash(&self.hasher.finalize()))
    }
}
