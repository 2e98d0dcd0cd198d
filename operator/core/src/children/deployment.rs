use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Container, ContainerPort, GRPCAction, Lifecycle, LifecycleHandler, PodSpec,
            PodTemplateSpec, Probe, SleepAction,
        },
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use user_settings::{ADMIN_PORT, GRPC_PORT, health};

use super::{
    AUTOSCALED, PREPARED, RENDERED_BY, REVISION, SECRETS_HASH, SERVICE_NAME, TOPICS_HASH, extras,
    named, pod, selector, selector_labels, spread,
};
use crate::{Validated, revision::Revision, topics::DesiredTopics};

/// Time between a pod leaving the endpoints and its SIGTERM, in which every node's proxy and every
/// client's resolver drops it.
const PRE_STOP: Duration = Duration::from_secs(5);
/// What the kubelet itself may need on top before it kills.
const GRACE_MARGIN: Duration = Duration::from_secs(2);

/// The pods, but for their template. Unless the spec says otherwise a new one is ready before an old
/// one goes. Without `replicas` their number is an autoscaler's.
pub(super) fn build(
    resource: &Validated,
    revision: &Revision<'_>,
    replicas: Option<i32>,
    prepared: Option<&str>,
) -> Deployment {
    let topics = resource.topics.as_ref().map(DesiredTopics::hash);
    Deployment {
        metadata: ObjectMeta {
            annotations: annotations([
                (PREPARED, prepared),
                (TOPICS_HASH, topics.as_deref()),
                (AUTOSCALED, replicas.is_none().then_some("true")),
                (REVISION, Some(&revision.number.to_string())),
                (RENDERED_BY, Some(&revision.operator)),
            ]),
            ..named(resource.name.clone())
        },
        spec: Some(DeploymentSpec {
            replicas,
            revision_history_limit: i32::try_from(resource.rollout.history).ok(),
            progress_deadline_seconds: i32::try_from(seconds(resource.rollout.progress_deadline))
                .ok(),
            selector: selector(resource),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(resource.rollout.max_surge.clone()),
                    max_unavailable: Some(resource.rollout.max_unavailable.clone()),
                }),
            }),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// What each pod runs. None is cut off while it works.
pub(crate) fn template(
    resource: &Validated,
    config_map: &str,
    secrets_hash: Option<&str>,
) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(pod::metadata(
            resource,
            selector_labels(&resource.name),
            annotations([(SECRETS_HASH, secrets_hash)]),
        )),
        spec: Some(pod_spec(resource, config_map)),
    }
}

fn annotations<const N: usize>(
    values: [(&str, Option<&str>); N],
) -> Option<BTreeMap<String, String>> {
    let present: BTreeMap<String, String> = values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    (!present.is_empty()).then_some(present)
}

fn pod_spec(resource: &Validated, config_map: &str) -> PodSpec {
    let pod = PodSpec {
        service_account_name: Some(resource.name.clone()),
        automount_service_account_token: Some(false),
        // Link variables of every Service in the namespace would only crowd the environment.
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(grace_period(resource)),
        security_context: Some(pod::security_context(resource)),
        volumes: pod::volumes(resource, pod::Purpose::Serve),
        topology_spread_constraints: spread::constraints(resource),
        affinity: spread::affinity(resource),
        containers: vec![container(resource, config_map)],
        ..PodSpec::default()
    };
    extras::place(resource, pod)
}

fn container(resource: &Validated, config_map: &str) -> Container {
    let port = |name: &str, number: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        ..ContainerPort::default()
    };
    Container {
        name: SERVICE_NAME.to_owned(),
        image: Some(resource.image.clone()),
        env_from: Some(pod::env_from(config_map)),
        env: extras::env(resource),
        ports: Some(vec![port("grpc", GRPC_PORT), port("admin", ADMIN_PORT)]),
        resources: Some(resource.resources.clone()),
        // Start-up may take a minute, asked every second so that a quick start is seen quickly.
        startup_probe: Some(probe(health::LIVENESS, 1, 60)),
        liveness_probe: Some(probe(health::LIVENESS, 10, 3)),
        readiness_probe: Some(probe(health::READINESS, 5, 2)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction {
                    seconds: seconds(PRE_STOP),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        volume_mounts: pod::volume_mounts(resource, pod::Purpose::Serve),
        security_context: Some(pod::container_security_context()),
        ..Container::default()
    }
}

fn probe(service: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        grpc: Some(GRPCAction {
            port: i32::from(ADMIN_PORT),
            service: Some(service.to_owned()),
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(failure_threshold),
        ..Probe::default()
    }
}

/// The kubelet counts the preStop hook within the grace period, so everything that may happen
/// between the pod's deletion and its exit is added up.
fn grace_period(resource: &Validated) -> i64 {
    seconds(PRE_STOP + resource.settings.shutdown_bound() + GRACE_MARGIN)
}

/// Whole seconds, rounded up. The longest bounds are minutes, far below overflow.
pub(super) fn seconds(duration: Duration) -> i64 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}
