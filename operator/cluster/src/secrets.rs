//! What Secrets hold, for the length of one pass.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt;
use operator_core::{SecretKeys, secret_digest};

/// What the Secrets of one resource hold, by name and key. It cannot be printed.
#[derive(Default)]
pub struct SecretData {
    held: BTreeMap<String, BTreeMap<String, ByteString>>,
    issued: BTreeMap<String, String>,
}

/// Annotation of cert-manager: the Certificate that a Secret was written for.
const CERTIFICATE_NAME: &str = "cert-manager.io/certificate-name";

impl SecretData {
    /// Adds a Secret.
    pub fn insert(&mut self, name: String, secret: Secret) {
        if let Some(certificate) = secret.annotations().get(CERTIFICATE_NAME) {
            self.issued.insert(name.clone(), certificate.clone());
        }
        self.held.insert(name, secret.data.unwrap_or_default());
    }

    /// What a Secret holds under a key.
    pub fn value(&self, secret: &str, key: &str) -> Option<&[u8]> {
        Some(&self.held.get(secret)?.get(key)?.0)
    }

    /// Those that cert-manager wrote, each with the name of the Certificate.
    pub fn issued(&self) -> BTreeMap<String, String> {
        self.issued.clone()
    }

    /// Names, keys and digests: all that leaves this type but for what a client is given.
    pub fn digests(&self, uid: &str) -> BTreeMap<String, SecretKeys> {
        let digests = |data: &BTreeMap<String, ByteString>| {
            data.iter()
                .map(|(key, value)| (key.clone(), secret_digest(uid, key, &value.0)))
                .collect()
        };
        self.held
            .iter()
            .map(|(name, data)| (name.clone(), digests(data)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_digests_leave_and_values_do_not() {
        let mut data = SecretData::default();
        let held = BTreeMap::from([("uri".to_owned(), ByteString(b"mongodb://secret".to_vec()))]);
        let secret = Secret {
            data: Some(held),
            ..Secret::default()
        };
        data.insert("users-mongodb".to_owned(), secret);
        let digests = data.digests("uid");
        assert_eq!(
            digests["users-mongodb"]["uri"],
            secret_digest("uid", "uri", b"mongodb://secret")
        );
        assert!(!format!("{digests:?}").contains("mongodb://"));
        assert_eq!(
            data.value("users-mongodb", "uri"),
            Some(b"mongodb://secret".as_slice())
        );
        assert_eq!(data.value("users-mongodb", "url"), None);
    }
}
