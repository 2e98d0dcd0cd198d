#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use kube_core::Duration;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{pod::DNS_NAME, schema};

/// A certificate for the names of the Services, issued and renewed by cert-manager, which has to be
/// in the cluster. It is in the Secret that is called like the resource with `-certificate` after it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!has(self.renewBefore) || (has(self.duration) && duration(self.renewBefore) < duration(self.duration))")
        .message("renewBefore needs duration and must be less").field_path(".renewBefore")
)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSpec {
    /// Who issues it.
    pub issuer_ref: IssuerReference,

    /// How long a certificate is valid, 1h to 87600h. Absent: as cert-manager and the issuer have it,
    /// mostly 2160h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1h') && duration(self) <= duration('87600h')")
        .message("duration must be between 1h and 87600h"))]
    pub duration: Option<Duration>,

    /// How long before its end a certificate is renewed, 5m to 87600h and less than `duration`.
    /// Absent: when a third of its time is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('5m') && duration(self) <= duration('87600h')")
        .message("renewBefore must be between 5m and 87600h"))]
    pub renew_before: Option<Duration>,
}

/// Who issues a certificate, as a Certificate of cert-manager names it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.group != 'cert-manager.io' || self.kind in ['Issuer', 'ClusterIssuer']")
        .message("kind must be Issuer or ClusterIssuer in the group cert-manager.io").field_path(".kind")
)]
#[serde(rename_all = "camelCase")]
pub struct IssuerReference {
    /// Name of the issuer.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub name: String,

    /// Kind of the issuer: an `Issuer` is in the namespace of the resource, a `ClusterIssuer` in
    /// none. Other groups have other kinds.
    #[serde(default = "defaults::kind")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,

    /// API group of the issuer.
    #[serde(default = "defaults::group")]
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub group: String,
}

mod defaults {
    pub(super) fn kind() -> String {
        "Issuer".to_owned()
    }

    pub(super) fn group() -> String {
        "cert-manager.io".to_owned()
    }
}
