use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{metadata, selector};
use crate::Validated;

/// One pod at a time may be evicted. `maxUnavailable`, not `minAvailable`: the latter would block a
/// drain for ever at one replica. Pods that are not ready may always go (KEP-3017).
pub(super) fn build(resource: &Validated) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(resource, resource.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(resource)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
