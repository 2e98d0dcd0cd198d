#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CertificateSpec, pod::DNS_NAME};

/// TLS on the gRPC port, with exactly one of `secret` and `certificate`. Changed Secrets are taken
/// into force by the running pods, which are not replaced for it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.secret) != has(self.certificate)")
        .message("exactly one of secret and certificate must be given"),
    validation = Rule::new("!has(self.allowedClients) || has(self.clientCa)")
        .message("allowedClients needs clientCa").field_path(".allowedClients")
)]
#[serde(rename_all = "camelCase")]
pub struct TlsSpec {
    /// Name of a Secret in the namespace of the resource, with the server's certificate and its
    /// chain under `tls.crt` and the private key under `tls.key`, as cert-manager and `kubectl
    /// create secret tls` write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub secret: Option<String>,

    /// A certificate that the operator asks cert-manager for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateSpec>,

    /// Authorities that the certificates of clients have to come from. Absent: clients need no
    /// certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<ClientCaReference>,

    /// Subject alternative names, DNS names or URIs such as `spiffe://cluster.local/ns/web/sa/api`,
    /// of which a client's certificate needs one; 64 at most. Absent: every client of the
    /// authorities may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 512), regex(pattern = r"^[-._~:/%*a-zA-Z0-9]+$"))
    )]
    pub allowed_clients: Vec<String>,
}

/// Authorities that the certificates of clients have to come from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClientCaReference {
    /// Name of a Secret in the namespace of the resource.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub secret: String,

    /// Key of the Secret that holds the certificates of the authorities, in PEM form.
    #[serde(default = "ca_crt")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}
