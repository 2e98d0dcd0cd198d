mod autoscaling;
mod certificate;
mod checks;
mod events;
mod names;
mod network;
mod pause;
mod pod;
mod rollout;
mod storage;
mod telemetry;
mod tls;

use std::{collections::BTreeMap, fmt};

use k8s_openapi::{
    api::core::v1::ResourceRequirements,
    apimachinery::pkg::{
        api::resource::Quantity as ApiQuantity, apis::meta::v1::OwnerReference,
        util::intstr::IntOrString,
    },
};
use kube_core::{Resource, ResourceExt};
use operator_api::{
    CreatedTopic, PodSpec, Quantity, Reflection, ServerSpec, UpgradePolicy, UserService,
};
use user_settings::{Settings, bounds};

pub(crate) use autoscaling::Autoscaling;
pub(crate) use certificate::Certificate;
pub(crate) use network::{Destination, Network};
pub(crate) use rollout::Rollout;

use crate::{
    KafkaAccess, SecretKeys, children, quantity, secrets,
    secrets::{SecretMount, SecretNeed, fingerprints},
    topics::DesiredTopics,
};

/// The service that ships with the operator, and what the operator gives all pods of all resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Image repository of the service, without a tag.
    pub repository: String,
    /// Version, and tag, that a resource without `spec.version` is pinned to at creation.
    pub version: String,
    /// Annotations of all pods, unless the spec of a resource has others of the same keys.
    pub pod_annotations: BTreeMap<String, String>,
    /// Version of the operator itself, and of the above.
    pub operator: String,
    /// Whether a resource with `upgradePolicy: Automatic` may be moved to all that now.
    pub renews: bool,
}

impl Release {
    /// The image of this version of the service.
    pub(crate) fn image(&self, version: &str) -> String {
        format!("{}:{version}", self.repository)
    }

    /// The [`operator`](Self::operator) of this version that gives all pods these annotations.
    pub fn operator_with(version: &str, pod_annotations: &BTreeMap<String, String>) -> String {
        if pod_annotations.is_empty() {
            return version.to_owned();
        }
        format!("{version}+{}", children::digest(pod_annotations))
    }

    /// Whether an [`operator`](Self::operator) is of this version, whatever annotations it gives.
    pub fn is_of(operator: &str, version: &str) -> bool {
        let rest = operator.strip_prefix(version);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `spec.server.requestTimeout`.
    pub field: &'static str,
    /// What would be accepted.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.rule)
    }
}

/// A resource after validation: nothing in it can be "maybe".
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) owner: Option<OwnerReference>,
    pub(crate) image: String,
    pub(crate) version: String,
    /// Annotations that all pods have, before those of the spec.
    pub(crate) pod_annotations: BTreeMap<String, String>,
    /// Whether its pods are moved to what this operator makes of the spec.
    pub(crate) renews: bool,
    pub(crate) replicas: i32,
    /// Takes the place of `replicas`, if it is there.
    pub(crate) autoscaling: Option<Autoscaling>,
    pub(crate) resources: ResourceRequirements,
    pub(crate) rollout: Rollout,
    /// Whom the pods may speak to, if not everybody.
    pub(crate) network: Option<Network>,
    /// Pods that may be away by eviction at a time.
    pub(crate) evicted: IntOrString,
    /// What the pods are given beside.
    pub(crate) pod: PodSpec,
    pub(crate) settings: Settings,
    /// What cert-manager is asked for.
    pub(crate) certificate: Option<Certificate>,
    /// What the pods get from Secrets.
    pub(crate) mounts: Vec<SecretMount>,
    /// The topics, if events go to Kafka.
    pub(crate) topics: Option<DesiredTopics>,
}

impl Validated {
    /// Everything that the pods need from Secrets that the user keeps.
    pub(crate) fn secret_needs(&self) -> impl Iterator<Item = SecretNeed<'_>> {
        self.mounts
            .iter()
            .filter(|mount| !mount.is_issued)
            .map(SecretNeed::from)
            .chain(secrets::extras(&self.pod))
    }

    /// Whether the Secret and its keys that the way to the brokers needs are there, if any. What
    /// else the pods need does not matter for the topics.
    pub fn has_kafka_secret(&self, secrets: &BTreeMap<String, SecretKeys>) -> bool {
        let kafka = self
            .mounts
            .iter()
            .filter(|mount| mount.volume == events::VOLUME)
            .map(SecretNeed::from);
        fingerprints(kafka, secrets).is_ok()
    }

    /// How to reach Kafka, and which topics to ask for: those that there shall be, and `created`,
    /// which the resource created before. `None` if events go elsewhere.
    pub fn kafka(&self, created: &[CreatedTopic]) -> Option<KafkaAccess> {
        let topics = self.topics.as_ref()?;
        let created = created.iter().map(|topic| topic.name.clone());
        Some(KafkaAccess {
            kafka: self.settings.kafka.clone(),
            credentials: self
                .mounts
                .iter()
                .find(|mount| mount.volume == events::VOLUME)
                .map(|mount| mount.secret.clone()),
            topics: topics
                .topics
                .iter()
                .map(|topic| topic.name.clone())
                .chain(created)
                .collect(),
        })
    }
}

/// Rules found broken.
#[derive(Default)]
struct Broken(Vec<Violation>);

impl Broken {
    fn add(&mut self, field: &'static str, rule: impl Into<String>) {
        let rule = rule.into();
        self.0.push(Violation { field, rule });
    }
}

/// Checks what the schema of the custom resource demands and what it cannot say.
///
/// The API server has refused most bad input before; this is the same answer for a resource that
/// came from a file or was stored before a rule existed.
///
/// # Errors
/// Every broken rule, each with its field.
pub fn validate(resource: &UserService, release: &Release) -> Result<Validated, Vec<Violation>> {
    let mut broken = Broken::default();
    let spec = &resource.spec;
    let name = resource.name_any();
    check_name(&name, &mut broken);
    let replicas = spec.replicas;
    if !(0..=100).contains(&replicas) {
        let rule = format!("{replicas} is not between 0 and 100");
        broken.add("spec.replicas", rule);
    }
    let autoscaling = spec
        .autoscaling
        .as_ref()
        .map(|autoscaling| autoscaling::read(autoscaling, &mut broken));
    let namespace = resource.namespace().unwrap_or_else(|| "default".to_owned());
    let mut settings = settings(&spec.server, &mut broken);
    telemetry::read(
        &spec.telemetry,
        (&name, &namespace),
        &mut settings,
        &mut broken,
    );
    let mut mounts = Vec::new();
    storage::read(
        spec.storage.as_ref(),
        &mut settings,
        &mut mounts,
        &mut broken,
    );
    let topics = events::read(
        spec.events.as_ref(),
        &mut settings,
        &mut mounts,
        &mut broken,
    );
    let certificate = tls::read(
        &name,
        spec.tls.as_ref(),
        &mut settings,
        &mut mounts,
        &mut broken,
    );
    let network = spec
        .network
        .as_ref()
        .map(|network| network::read(network, &settings, &mut broken));
    let resources = resources(resource, &mut broken);
    pod::check(&spec.pod, &mut broken);
    let rollout = rollout::read(&spec.rollout, &mut broken);
    let evicted = rollout::evicted(&spec.disruption, &mut broken);
    pause::check(spec.pause.as_ref(), &mut broken);

    let renews = release.renews && spec.upgrade_policy == UpgradePolicy::Automatic;
    let pinned = resource
        .status
        .as_ref()
        .and_then(|status| status.version.clone())
        .filter(|_| !renews);
    let version = spec
        .version
        .clone()
        .or(pinned)
        .unwrap_or_else(|| release.version.clone());
    let image = spec
        .image
        .clone()
        .unwrap_or_else(|| release.image(&version));

    if !broken.0.is_empty() {
        return Err(broken.0);
    }
    Ok(Validated {
        name,
        namespace,
        owner: resource.controller_owner_ref(&()),
        image,
        version,
        pod_annotations: release.pod_annotations.clone(),
        renews,
        replicas,
        autoscaling,
        resources,
        rollout,
        network,
        evicted,
        pod: spec.pod.clone(),
        settings,
        certificate,
        mounts,
        topics,
    })
}

fn check_name(name: &str, broken: &mut Broken) {
    const FIELD: &str = "metadata.name";
    if name.len() > 40 {
        broken.add(
            FIELD,
            "must have at most 40 characters: children are named after it",
        );
    }
    let label = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !label {
        broken.add(
            FIELD,
            "must start with a letter and hold only lower-case letters, digits and '-', no dots",
        );
    }
}

fn settings(server: &ServerSpec, broken: &mut Broken) -> Settings {
    let mut settings = Settings::default();
    settings.server.request_timeout = checks::duration(
        "spec.server.requestTimeout",
        server.request_timeout,
        &bounds::REQUEST_TIMEOUT.range(),
        broken,
    );
    settings.server.drain_timeout = checks::duration(
        "spec.server.drainTimeout",
        server.drain_timeout,
        &bounds::DRAIN_TIMEOUT.range(),
        broken,
    );
    settings.server.max_concurrent_streams = checks::count(
        "spec.server.maxConcurrentStreams",
        server.max_concurrent_streams,
        &bounds::MAX_CONCURRENT_STREAMS.range(),
        broken,
    );
    settings.server.max_concurrent_calls = checks::count(
        "spec.server.maxConcurrentCalls",
        server.max_concurrent_calls,
        &bounds::MAX_CONCURRENT_CALLS.range(),
        broken,
    );
    settings.server.max_connection_age = checks::duration(
        "spec.server.maxConnectionAge",
        server.max_connection_age,
        &bounds::MAX_CONNECTION_AGE.range(),
        broken,
    );
    settings.server.reflection = match server.reflection {
        Reflection::Enabled => user_settings::Reflection::Enabled,
        Reflection::Disabled => user_settings::Reflection::Disabled,
    };
    settings
}

fn resources(resource: &UserService, broken: &mut Broken) -> ResourceRequirements {
    let requests = &resource.spec.pod.resources.requests;
    let limits = &resource.spec.pod.resources.limits;
    let pairs = [
        (
            "spec.pod.resources.requests.cpu",
            &requests.cpu,
            "spec.pod.resources.limits.cpu",
            &limits.cpu,
        ),
        (
            "spec.pod.resources.requests.memory",
            &requests.memory,
            "spec.pod.resources.limits.memory",
            &limits.memory,
        ),
    ];
    for (request_field, request, limit_field, limit) in pairs {
        for (field, quantity) in [(request_field, request), (limit_field, limit)] {
            if quantity::value(quantity).is_none() {
                let rule = format!("{:?} is no quantity such as 250m or 64Mi", quantity.0);
                broken.add(field, rule);
            }
        }
        if quantity::value(request) > quantity::value(limit) && quantity::value(limit).is_some() {
            broken.add(request_field, format!("must not exceed {limit_field}"));
        }
    }
    let list = |cpu: &Quantity, memory: &Quantity| {
        Some(BTreeMap::from([
            ("cpu".to_owned(), ApiQuantity(cpu.0.clone())),
            ("memory".to_owned(), ApiQuantity(memory.0.clone())),
        ]))
    };
    ResourceRequirements {
        requests: list(&requests.cpu, &requests.memory),
        limits: list(&limits.cpu, &limits.memory),
        ..ResourceRequirements::default()
    }
}
