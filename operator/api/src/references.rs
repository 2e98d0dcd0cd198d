#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod::DNS_NAME;

/// A Secret in the namespace of the resource.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of a Secret in the namespace of the resource. A changed user name or password rolls the pods; changed
    /// certificates do not.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub secret: String,
}

/// One key of a Secret in the namespace of the resource.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of a Secret in the namespace of the resource. A changed Secret rolls the pods.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub secret: String,

    /// Key of the Secret.
    #[serde(default = "uri")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn uri() -> String {
    "uri".to_owned()
}
