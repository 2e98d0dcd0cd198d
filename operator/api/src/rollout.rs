#![allow(
    unreachable_pub,
    reason = "KubeSchema derives a hidden twin of each type"
)]

use kube_core::Duration;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{IntOrPercent, schema};

/// How pods are replaced when what they run changes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!(string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])")
        .message("maxSurge and maxUnavailable must not both be 0: no pod could be replaced").field_path(".maxSurge")
)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSpec {
    /// Pods that there may be beyond `replicas` meanwhile, a number from 0 to 100 or a share such as
    /// `25%`, rounded up.
    #[serde(default = "defaults::max_surge")]
    pub max_surge: IntOrPercent,

    /// Pods that may be missing meanwhile, a number from 0 to 100 or a share such as `25%`, rounded
    /// down. 0: a new pod takes calls before an old one goes.
    #[serde(default = "defaults::max_unavailable")]
    pub max_unavailable: IntOrPercent,

    /// How long a rollout may get no further before the resource is `Stalled`, 1m to 1h. It goes on
    /// trying.
    #[serde(default = "defaults::progress_deadline")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('1h')")
        .message("progressDeadline must be between 1m and 1h"))]
    pub progress_deadline: Duration,

    /// Revisions that are kept beside the current one, 1 to 20: what pods ran before, with its
    /// settings, for `kubectl userservice rollback`.
    #[serde(default = "defaults::history_limit")]
    #[schemars(range(min = 1, max = 20))]
    pub history_limit: i32,
}

impl Default for RolloutSpec {
    fn default() -> Self {
        Self {
            max_surge: defaults::max_surge(),
            max_unavailable: defaults::max_unavailable(),
            progress_deadline: defaults::progress_deadline(),
            history_limit: defaults::history_limit(),
        }
    }
}

/// How many pods a drain of nodes, or whoever else evicts pods, may take away at a time.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct DisruptionSpec {
    /// Pods that may be away by eviction at a time, a number from 1 to 100 or a share such as `25%`,
    /// rounded up. It is never 0, which would block every drain; a single pod is evicted, and
    /// calls fail until another runs.
    #[serde(default = "defaults::evicted")]
    #[x_kube(validation = Rule::new("!(string(self) in ['0', '0%'])")
        .message("maxUnavailable must not be 0: no node could be drained"))]
    pub max_unavailable: IntOrPercent,
}

impl Default for DisruptionSpec {
    fn default() -> Self {
        Self {
            max_unavailable: defaults::evicted(),
        }
    }
}

mod defaults {
    use std::time::Duration;

    use crate::IntOrPercent;

    pub(super) const fn history_limit() -> i32 {
        5
    }

    pub(super) const fn max_surge() -> IntOrPercent {
        IntOrPercent::Int(1)
    }

    pub(super) const fn max_unavailable() -> IntOrPercent {
        IntOrPercent::Int(0)
    }

    pub(super) const fn evicted() -> IntOrPercent {
        IntOrPercent::Int(1)
    }

    pub(super) fn progress_deadline() -> kube_core::Duration {
        Duration::from_mins(10).into()
    }
}
