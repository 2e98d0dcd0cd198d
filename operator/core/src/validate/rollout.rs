use std::{ops::RangeInclusive, time::Duration};

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use operator_api::{DisruptionSpec, IntOrPercent, RolloutSpec};

use super::{Broken, checks};

const HISTORY: RangeInclusive<u32> = 1..=20;
const DEADLINE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(1);

/// How pods are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rollout {
    pub(crate) max_surge: IntOrString,
    pub(crate) max_unavailable: IntOrString,
    pub(crate) progress_deadline: Duration,
    /// Revisions that are kept beside the current one.
    pub(crate) history: usize,
}

pub(super) fn read(spec: &RolloutSpec, broken: &mut Broken) -> Rollout {
    const SURGE: &str = "spec.rollout.maxSurge";
    let max_surge = share(SURGE, &spec.max_surge, broken);
    let max_unavailable = share("spec.rollout.maxUnavailable", &spec.max_unavailable, broken);
    if spec.max_surge.number() == Some(0) && spec.max_unavailable.number() == Some(0) {
        broken.add(
            SURGE,
            "maxSurge and maxUnavailable must not both be 0: no pod could be replaced",
        );
    }
    Rollout {
        max_surge,
        max_unavailable,
        progress_deadline: checks::duration(
            "spec.rollout.progressDeadline",
            spec.progress_deadline,
            &DEADLINE,
            broken,
        ),
        history: usize::try_from(checks::count(
            "spec.rollout.historyLimit",
            spec.history_limit,
            &HISTORY,
            broken,
        ))
        .unwrap_or(usize::MAX),
    }
}

/// Pods that may be away by eviction at a time.
pub(super) fn evicted(spec: &DisruptionSpec, broken: &mut Broken) -> IntOrString {
    const FIELD: &str = "spec.disruption.maxUnavailable";
    if spec.max_unavailable.number() == Some(0) {
        broken.add(
            FIELD,
            "maxUnavailable must not be 0: no node could be drained",
        );
    }
    share(FIELD, &spec.max_unavailable, broken)
}

fn share(field: &'static str, value: &IntOrPercent, broken: &mut Broken) -> IntOrString {
    if value.number().is_none() {
        broken.add(
            field,
            format!("{value} is neither a number from 0 to 100 nor a share such as 25%"),
        );
    }
    match value {
        IntOrPercent::Int(number) => IntOrString::Int(*number),
        IntOrPercent::Percent(share) => IntOrString::String(share.clone()),
    }
}
