use std::{ops::RangeInclusive, time::Duration};

use operator_api::AutoscalingSpec;

use super::{Broken, checks};

const PODS: RangeInclusive<u32> = 1..=100;
const PERCENT: RangeInclusive<u32> = 1..=1000;
const DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);

/// How the number of pods follows the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Autoscaling {
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// Percent of what is requested.
    pub(crate) cpu: Option<u32>,
    /// Percent of what is requested.
    pub(crate) memory: Option<u32>,
    pub(crate) scale_down_delay: Duration,
}

pub(super) fn read(spec: &AutoscalingSpec, broken: &mut Broken) -> Autoscaling {
    const MIN: &str = "spec.autoscaling.min";
    let min = checks::count(MIN, spec.min, &PODS, broken);
    let max = checks::count("spec.autoscaling.max", spec.max, &PODS, broken);
    if spec.min > spec.max {
        broken.add(MIN, "must not exceed max");
    }
    if spec.cpu.is_none() && spec.memory.is_none() {
        broken.add(
            "spec.autoscaling",
            "at least one of cpu and memory must be named",
        );
    }
    let mut percent = |field, value: Option<i32>| {
        value.map(|value| checks::count(field, value, &PERCENT, broken))
    };
    let cpu = percent("spec.autoscaling.cpu", spec.cpu);
    let memory = percent("spec.autoscaling.memory", spec.memory);
    Autoscaling {
        min,
        max,
        cpu,
        memory,
        scale_down_delay: checks::duration(
            "spec.autoscaling.scaleDownDelay",
            spec.scale_down_delay,
            &DELAY,
            broken,
        ),
    }
}
