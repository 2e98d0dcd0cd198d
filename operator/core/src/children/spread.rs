use k8s_openapi::api::core::v1::{
    Affinity, PodAffinityTerm, PodAntiAffinity, TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use operator_api::WhenUnsatisfiable;

use super::selector;
use crate::Validated;

/// Each revision spreads by itself, so that a rollout ends evenly spread (KEP-3243).
const REVISION: &str = "pod-template-hash";

/// How pods are spread over nodes, or over what the spec names.
pub(super) fn constraints(resource: &Validated) -> Option<Vec<TopologySpreadConstraint>> {
    let constraint = |key: &str, skew: i32, unsatisfiable: WhenUnsatisfiable| {
        let unsatisfiable = match unsatisfiable {
            WhenUnsatisfiable::ScheduleAnyway => "ScheduleAnyway",
            WhenUnsatisfiable::DoNotSchedule => "DoNotSchedule",
        };
        TopologySpreadConstraint {
            max_skew: skew,
            topology_key: key.to_owned(),
            when_unsatisfiable: unsatisfiable.to_owned(),
            label_selector: Some(selector(resource)),
            match_label_keys: Some(vec![REVISION.to_owned()]),
            ..TopologySpreadConstraint::default()
        }
    };
    let Some(wanted) = &resource.pod.topology_spread_constraints else {
        // A wish, not a demand: a drained node must not keep its pods from starting elsewhere.
        let anyway = WhenUnsatisfiable::ScheduleAnyway;
        return Some(vec![constraint("kubernetes.io/hostname", 1, anyway)]);
    };
    let constraints: Vec<TopologySpreadConstraint> = wanted
        .iter()
        .map(|spread| {
            constraint(
                &spread.topology_key,
                spread.max_skew,
                spread.when_unsatisfiable,
            )
        })
        .collect();
    (!constraints.is_empty()).then_some(constraints)
}

/// The affinity of the spec, and away from zones that have other pods unless the spec says how pods
/// keep apart. No constraint as for nodes: where nodes have no zone, the scheduler would rate all
/// of them alike, and pods would not be spread over nodes either.
pub(super) fn affinity(resource: &Validated) -> Option<Affinity> {
    let wanted = resource.pod.affinity.clone();
    let is_said = resource.pod.topology_spread_constraints.is_some()
        || wanted
            .as_ref()
            .is_some_and(|affinity| affinity.pod_anti_affinity.is_some());
    if is_said {
        return wanted;
    }
    Some(Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: PodAffinityTerm {
                        topology_key: "topology.kubernetes.io/zone".to_owned(),
                        label_selector: Some(selector(resource)),
                        match_label_keys: Some(vec![REVISION.to_owned()]),
                        ..PodAffinityTerm::default()
                    },
                },
            ]),
            ..PodAntiAffinity::default()
        }),
        ..wanted.unwrap_or_default()
    })
}
