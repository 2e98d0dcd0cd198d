mod hash;

use std::collections::BTreeMap;

use k8s_openapi::api::{
    batch::v1::{
        Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
        PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
    },
    core::v1::{Container, PodSpec, PodTemplateSpec},
};
use user_settings::{Events, Settings, Storage, exit_code};

use super::{INSTANCE_LABEL, NAME_LABEL, extras, named, pod};
use crate::Validated;

/// Attempts after the first, with pauses of 10 s that double.
const BACKOFF_LIMIT: i32 = 5;
/// Bound of all attempts together, seconds: the migration of a large database takes its time.
const DEADLINE: i64 = 3 * 60 * 60;
/// Not the name that the pods of the service carry: no Service may send them calls.
pub(super) const PREPARE_NAME: &str = "user-service-prepare";

/// A command of the service that has to succeed before its pods start.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
}

const MIGRATE: Step = Step {
    name: "migrate",
    args: &["migrate"],
};
const REGISTER: Step = Step {
    name: "schema-register",
    args: &["schema", "register"],
};

fn steps(settings: &Settings) -> Vec<Step> {
    let mut steps = Vec::new();
    if settings.storage == Storage::Mongodb {
        steps.push(MIGRATE);
    }
    if has_registry(settings) {
        steps.push(REGISTER);
    }
    steps
}

fn has_registry(settings: &Settings) -> bool {
    settings.events == Events::Kafka && !settings.kafka.schema_registry_url.is_empty()
}

/// What a preparation by this image depends on: the image, what it gets from Secrets, and those settings
/// that say what is prepared. `None` if there is nothing to prepare.
pub(super) fn hash(
    resource: &Validated,
    image: &str,
    secrets_hash: Option<&str>,
) -> Option<String> {
    let settings = &resource.settings;
    (!steps(settings).is_empty()).then(|| hash::of(settings, image, secrets_hash))
}

/// Prepares the database and the schema registry for the pods of this version and these settings.
/// Its success is its own record: it is kept, and removed only when another one took its place.
pub(super) fn build(resource: &Validated, image: &str, config_map: &str, hash: &str) -> Job {
    let mut containers: Vec<Container> = steps(&resource.settings)
        .into_iter()
        .map(|step| container(resource, image, config_map, &step))
        .collect();
    let last = containers.pop();
    Job {
        metadata: named(name(resource, hash)),
        spec: Some(JobSpec {
            backoff_limit: Some(BACKOFF_LIMIT),
            active_deadline_seconds: Some(DEADLINE),
            pod_failure_policy: Some(failure_policy()),
            template: PodTemplateSpec {
                metadata: Some(pod::metadata(
                    resource,
                    BTreeMap::from([
                        (NAME_LABEL.to_owned(), PREPARE_NAME.to_owned()),
                        (INSTANCE_LABEL.to_owned(), resource.name.clone()),
                    ]),
                    None,
                )),
                spec: Some(extras::place(
                    resource,
                    PodSpec {
                        restart_policy: Some("Never".to_owned()),
                        service_account_name: Some(resource.name.clone()),
                        automount_service_account_token: Some(false),
                        enable_service_links: Some(false),
                        security_context: Some(pod::security_context(resource)),
                        volumes: pod::volumes(resource, pod::Purpose::Prepare),
                        // Init containers run one after the other, and before the container.
                        init_containers: (!containers.is_empty()).then_some(containers),
                        containers: last.into_iter().collect(),
                        ..PodSpec::default()
                    },
                )),
            },
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// What the Job for this hash is called.
pub(super) fn name(resource: &Validated, hash: &str) -> String {
    format!("{}-prepare-{hash}", resource.name)
}

fn container(resource: &Validated, image: &str, config_map: &str, step: &Step) -> Container {
    Container {
        name: step.name.to_owned(),
        image: Some(image.to_owned()),
        args: Some(step.args.iter().map(ToString::to_string).collect()),
        env_from: Some(pod::env_from(config_map)),
        env: extras::env(resource),
        resources: Some(resource.resources.clone()),
        volume_mounts: pod::volume_mounts(resource, pod::Purpose::Prepare),
        security_context: Some(pod::container_security_context()),
        ..Container::default()
    }
}

/// Bad settings, a schema conflict and a command that the image does not know are not tried again;
/// an eviction is not held against the Job.
fn failure_policy() -> PodFailurePolicy {
    let mut hopeless = [exit_code::USAGE, exit_code::SCHEMA, exit_code::CONFIG].map(i32::from);
    // The API server asks for ascending order.
    hopeless.sort_unstable();
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    operator: "In".to_owned(),
                    values: hopeless.to_vec(),
                    ..PodFailurePolicyOnExitCodesRequirement::default()
                }),
                ..PodFailurePolicyRule::default()
            },
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: "True".to_owned(),
                }]),
                ..PodFailurePolicyRule::default()
            },
        ],
    }
}
