use k8s_openapi::{
    Metadata, NamespaceResourceScope, Resource, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube_core::TypeMeta;
use serde::{Deserialize, Serialize};

use super::{deployment::seconds, named, service};
use crate::{Validated, validate};

/// `cert-manager.io/v1/Certificate`, as far as the operator writes it.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Certificate {
    #[serde(flatten)]
    types: TypeMeta,
    metadata: ObjectMeta,
    spec: CertificateSpec,
}

impl Resource for Certificate {
    const API_VERSION: &'static str = "cert-manager.io/v1";
    const GROUP: &'static str = "cert-manager.io";
    const KIND: &'static str = "Certificate";
    const VERSION: &'static str = "v1";
    const URL_PATH_SEGMENT: &'static str = "certificates";
    type Scope = NamespaceResourceScope;
}

impl Metadata for Certificate {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct CertificateSpec {
    secret_name: String,
    issuer_ref: IssuerReference,
    dns_names: Vec<String>,
    usages: Vec<String>,
    private_key: PrivateKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renew_before: Option<String>,
    revision_history_limit: i32,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
struct IssuerReference {
    name: String,
    kind: String,
    group: String,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct PrivateKey {
    algorithm: String,
    size: i32,
    encoding: String,
    rotation_policy: String,
}

/// Name of the Secret that cert-manager writes. Nobody calls one of their own so by habit, as they
/// do with `users-tls`: cert-manager would overwrite it.
pub(crate) fn secret_name(name: &str) -> String {
    format!("{name}-certificate")
}

/// A certificate for the names of the Services, with a new key each time, if the spec asks for one.
pub(super) fn build(resource: &Validated) -> Option<Certificate> {
    let wanted = resource.certificate.as_ref()?;
    Some(Certificate {
        types: TypeMeta::resource::<Certificate>(),
        metadata: named(resource.name.clone()),
        spec: CertificateSpec {
            secret_name: secret_name(&resource.name),
            issuer_ref: issuer(wanted),
            dns_names: service::names(resource).collect(),
            usages: ["digital signature", "server auth"]
                .map(str::to_owned)
                .to_vec(),
            private_key: PrivateKey {
                algorithm: "ECDSA".to_owned(),
                size: 256,
                encoding: "PKCS8".to_owned(),
                rotation_policy: "Always".to_owned(),
            },
            duration: wanted.duration.map(in_go),
            renew_before: wanted.renew_before.map(in_go),
            revision_history_limit: 1,
        },
    })
}

fn issuer(wanted: &validate::Certificate) -> IssuerReference {
    let reference = &wanted.issuer;
    IssuerReference {
        name: reference.name.clone(),
        kind: reference.kind.clone(),
        group: reference.group.clone(),
    }
}

/// A duration of at least a minute as Go writes it, so that whatever stores it anew stores the same.
fn in_go(duration: std::time::Duration) -> String {
    let seconds = seconds(duration);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::in_go;

    #[test]
    fn durations_are_written_as_go_would() {
        for (seconds, written) in [
            (300, "5m0s"),
            (3600, "1h0m0s"),
            (7_776_000, "2160h0m0s"),
            (5_461, "1h31m1s"),
        ] {
            assert_eq!(in_go(Duration::from_secs(seconds)), written);
        }
    }
}
