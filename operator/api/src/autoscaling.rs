#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use kube_core::Duration;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// How the number of pods follows the load. At least one of `cpu` and `memory` is set; with both,
/// the one that asks for more pods wins. Needs a metrics API in the cluster, such as metrics-server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("self.min <= self.max")
        .message("min must not exceed max").field_path(".min"),
    validation = Rule::new("has(self.cpu) || has(self.memory)")
        .message("at least one of cpu and memory must be named")
)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingSpec {
    /// Least number of pods, 1 to 100.
    #[serde(default = "defaults::min")]
    #[schemars(range(min = 1, max = 100))]
    pub min: i32,

    /// Greatest number of pods, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max: i32,

    /// CPU that the pods shall use on average, in percent of `pod.resources.requests.cpu`, 1 to
    /// 1000. 70 leaves room for the time that a new pod takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub cpu: Option<i32>,

    /// Memory that the pods shall use on average, in percent of `pod.resources.requests.memory`, 1
    /// to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub memory: Option<i32>,

    /// How long the load must have been lower before pods are taken away, 0s to 1h. Then it is one
    /// pod or a quarter of them a minute, whichever is more.
    #[serde(default = "defaults::scale_down_delay")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('0s') && duration(self) <= duration('1h')")
        .message("scaleDownDelay must be between 0s and 1h"))]
    pub scale_down_delay: Duration,
}

mod defaults {
    use std::time::Duration;

    pub(super) const fn min() -> i32 {
        2
    }

    pub(super) fn scale_down_delay() -> kube_core::Duration {
        Duration::from_secs(5 * 60).into()
    }
}
