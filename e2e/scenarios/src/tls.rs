//! Certificates of the scenarios, and pods that use them.

use anyhow::Result;
use k8s_openapi::api::core::v1::{Pod, SecretVolumeSource, Volume, VolumeMount};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType, date_time_ymd,
};
use serde_json::{Value, json};

/// Where the client finds its certificates.
const FOLDER: &str = "/tls";

/// Somebody who issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self(issuer))
    }

    /// Its own certificate alone, as the content of a Secret.
    pub fn public(&self) -> Value {
        json!({"ca.crt": self.0.pem()})
    }

    /// The same together with another one's.
    pub fn public_with(&self, other: &Self) -> Value {
        json!({"ca.crt": self.0.pem() + &other.0.pem()})
    }

    /// A certificate for these names, DNS names or URIs, that is valid to the end of this year, with its
    /// key and the authority's own, as the content of a Secret.
    ///
    /// # Errors
    /// If a name is none, or no key can be made.
    pub fn issue(&self, names: &[&str], last_year: i32) -> Result<Value> {
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(last_year, 12, 31);
        for name in names {
            let text = (*name).try_into()?;
            params.subject_alt_names.push(if name.contains("://") {
                SanType::URI(text)
            } else {
                SanType::DnsName(text)
            });
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(json!({
            "ca.crt": self.0.pem(),
            "tls.crt": certificate.pem(),
            "tls.key": key.serialize_pem(),
        }))
    }
}

/// The client in this pod speaks TLS by what the Secret holds.
pub fn protected(mut pod: Pod, secret: &str) -> Pod {
    let Some(spec) = &mut pod.spec else {
        return pod;
    };
    spec.volumes = Some(vec![Volume {
        name: "tls".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }]);
    for container in &mut spec.containers {
        container.volume_mounts = Some(vec![VolumeMount {
            name: "tls".to_owned(),
            mount_path: FOLDER.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }]);
        let flags = ["--tls".to_owned(), FOLDER.to_owned()];
        container.args.get_or_insert_default().extend(flags);
    }
    pod
}
