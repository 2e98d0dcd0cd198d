#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

/// That, for how long and why nothing is changed. What runs goes on, and the status is still kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct PauseSpec {
    /// When it ends by itself, such as `2026-11-26T18:00:00Z` (RFC 3339). Absent: when this field is
    /// taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,

    /// Why, for whoever finds the resource paused, up to 256 characters in one line. It is shown in
    /// the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // Nothing that a terminal would act on or that turns the order of what is read.
    #[schemars(
        length(max = 256),
        regex(pattern = r"^[^\p{Cc}\x{200E}\x{200F}\x{2028}-\x{202E}\x{2066}-\x{2069}]*$")
    )]
    pub reason: Option<String>,
}
