use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};

use super::{named, selector};
use crate::Validated;

/// How many pods may be evicted at a time. `maxUnavailable`, not `minAvailable`: the latter would
/// block a drain for ever at one replica. Pods that are not ready may always go (KEP-3017).
pub(super) fn build(resource: &Validated) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: named(resource.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(resource.evicted.clone()),
            selector: Some(selector(resource)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
