#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Quantity, pod::DNS_NAME};

/// An environment variable. Exactly one of `value` and `valueFrom` is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!self.name.startsWith('USERSVC_')")
        .message("names that begin with USERSVC_ are the operator's").field_path(".name"),
    validation = Rule::new("has(self.value) != has(self.valueFrom)")
        .message("exactly one of value and valueFrom must be named")
)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Name of the variable.
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")
    )]
    pub name: String,

    /// Its value, as it is: `$(NAME)` is replaced by the value of another variable, as in every pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,

    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
}

/// Where the value of a variable comes from. Exactly one field is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)")
        .message("exactly one source must be named: secretKeyRef or configMapKeyRef")
)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// A key of a Secret. When its value changes, the pods are rolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyReference>,

    /// A key of a ConfigMap. Pods see a change only when they start anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyReference>,
}

/// One key of a Secret or a ConfigMap in the namespace of the resource.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeyReference {
    /// Name of the Secret or the ConfigMap.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub name: String,

    /// Key of the Secret or the ConfigMap.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,

    /// Whether the variable is left out where object or key are missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// A volume and where it is mounted. Exactly one of `secret`, `configMap`, `emptyDir` and
/// `persistentVolumeClaim` is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("[has(self.secret), has(self.configMap), has(self.emptyDir), has(self.persistentVolumeClaim)].exists_one(named, named)")
        .message("exactly one source must be named: secret, configMap, emptyDir or persistentVolumeClaim"),
    validation = Rule::new("!self.mountPath.matches('^/(etc|etc/user-service(/.*)?|usr|usr/local|usr/local/bin(/.*)?|(proc|sys|dev)(/.*)?)$')")
        .message("mountPath must not hide what the service needs: /etc, /etc/user-service, /usr, /usr/local, /usr/local/bin, /proc, /sys, /dev").field_path(".mountPath"),
    validation = Rule::new("!self.mountPath.matches('/[.][.]?(/|$)')")
        .message("mountPath must not hold . or .. as a step").field_path(".mountPath")
)]
#[serde(rename_all = "camelCase")]
pub struct ExtraVolume {
    /// Name of the volume; in the pod `extra-` is put before it.
    #[schemars(
        length(min = 1, max = 57),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Folder in the service's container, from the root.
    #[schemars(length(min = 2, max = 253), regex(pattern = r"^(/[A-Za-z0-9._-]+)+$"))]
    pub mount_path: String,

    /// Whether the service may not write to it. What comes from a Secret or a ConfigMap cannot be
    /// written to anyway.
    #[serde(default, skip_serializing_if = "is_false")]
    pub read_only: bool,

    /// Every key of a Secret as a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolume>,

    /// Every key of a ConfigMap as a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolume>,

    /// An empty folder of the pod's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolume>,

    /// A claim for storage, shared by all pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ClaimVolume>,
}

/// A Secret as a folder. A change shows in the folder; the pods are not rolled.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretVolume {
    /// Name of a Secret in the namespace of the resource.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub secret_name: String,

    /// Whether the folder is empty where the Secret is missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// A ConfigMap as a folder. A change shows in the folder; the pods are not rolled.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapVolume {
    /// Name of a ConfigMap in the namespace of the resource.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub name: String,

    /// Whether the folder is empty where the ConfigMap is missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// An empty folder.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct EmptyDirVolume {
    /// Where the files are. Absent: on the node's disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<Medium>,

    /// What the files may take up at most, in bytes; a pod that goes past it is evicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<Quantity>,
}

/// Where the files are. `Memory`: in memory, where they count against the container's limit. Absent:
/// on the node's disk.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(inline)]
pub enum Medium {
    /// In memory.
    Memory,
}

/// A claim for storage.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClaimVolume {
    /// Name of a `PersistentVolumeClaim` in the namespace of the resource. With more than one pod it
    /// has to allow access from several nodes.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME))]
    pub claim_name: String,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}
