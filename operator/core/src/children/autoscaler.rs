use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules,
    HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec,
    MetricSpec, MetricTarget,
};

use super::{SERVICE_NAME, count, deployment::seconds, named};
use crate::{Validated, validate::Autoscaling};

/// Changes the number of pods with the load, if that is wanted.
pub(super) fn build(resource: &Validated) -> Option<HorizontalPodAutoscaler> {
    let autoscaling = resource.autoscaling.as_ref()?;
    let metrics = [("cpu", autoscaling.cpu), ("memory", autoscaling.memory)];
    Some(HorizontalPodAutoscaler {
        metadata: named(resource.name.clone()),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: resource.name.clone(),
            },
            min_replicas: Some(count(autoscaling.min)),
            max_replicas: count(autoscaling.max),
            metrics: Some(
                metrics
                    .into_iter()
                    .filter_map(|(name, percent)| Some(metric(name, percent?)))
                    .collect(),
            ),
            behavior: Some(behavior(autoscaling)),
        }),
        ..HorizontalPodAutoscaler::default()
    })
}

/// Of the service's container alone: what sidecars use says nothing about the load.
fn metric(name: &str, percent: u32) -> MetricSpec {
    MetricSpec {
        type_: "ContainerResource".to_owned(),
        container_resource: Some(ContainerResourceMetricSource {
            name: name.to_owned(),
            container: SERVICE_NAME.to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(count(percent)),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

/// Up at once, since callers wait, at most to twice as many in half a minute, the time in which the
/// metrics of new pods begin to count. Down after the load has been lower for the whole delay, and
/// then step by step: a load that comes and goes meets the pods that it had.
fn behavior(autoscaling: &Autoscaling) -> HorizontalPodAutoscalerBehavior {
    HorizontalPodAutoscalerBehavior {
        scale_up: Some(rules(
            0,
            &[policy("Percent", 100, 30), policy("Pods", 2, 30)],
        )),
        scale_down: Some(rules(
            i32::try_from(seconds(autoscaling.scale_down_delay)).unwrap_or(i32::MAX),
            &[policy("Percent", 25, 60), policy("Pods", 1, 60)],
        )),
    }
}

fn rules(window_seconds: i32, policies: &[HPAScalingPolicy]) -> HPAScalingRules {
    HPAScalingRules {
        stabilization_window_seconds: Some(window_seconds),
        select_policy: Some("Max".to_owned()),
        policies: Some(policies.to_vec()),
        ..HPAScalingRules::default()
    }
}

fn policy(type_: &str, value: i32, period_seconds: i32) -> HPAScalingPolicy {
    HPAScalingPolicy {
        type_: type_.to_owned(),
        value,
        period_seconds,
    }
}
