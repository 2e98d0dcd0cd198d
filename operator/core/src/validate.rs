use std::{collections::BTreeMap, fmt, time::Duration};

use k8s_openapi::{
    api::core::v1::ResourceRequirements,
    apimachinery::pkg::{api::resource::Quantity as ApiQuantity, apis::meta::v1::OwnerReference},
};
use kube_core::{Resource, ResourceExt};
use operator_api::{LogLevel, Quantity, ServerSpec, UserService};
use user_settings::{Bounds, Settings, bounds};

use crate::quantity;

/// The service that ships with the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Image repository of the service, without a tag.
    pub repository: String,
    /// Version, and tag, that a resource without `spec.version` is pinned to at creation.
    pub version: String,
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
    pub(crate) replicas: i32,
    pub(crate) resources: ResourceRequirements,
    pub(crate) settings: Settings,
}

/// Checks what the schema of the custom resource demands and what it cannot say.
///
/// The API server has refused most bad input before; this is the same answer for a resource that
/// came from a file or was stored before a rule existed.
///
/// # Errors
/// Every broken rule, each with its field.
pub fn validate(resource: &UserService, release: &Release) -> Result<Validated, Vec<Violation>> {
    let mut broken = Vec::new();
    let spec = &resource.spec;
    let name = resource.name_any();
    check_name(&name, &mut broken);
    let replicas = spec.replicas;
    if !(0..=100).contains(&replicas) {
        broken.push(Violation {
            field: "spec.replicas",
            rule: format!("{replicas} is not between 0 and 100"),
        });
    }
    if spec
        .storage
        .as_ref()
        .is_some_and(|storage| storage.memory.is_none())
    {
        broken.push(Violation {
            field: "spec.storage",
            rule: "one storage must be named: memory".into(),
        });
    }
    if spec
        .events
        .as_ref()
        .is_some_and(|events| events.stdout.is_none())
    {
        broken.push(Violation {
            field: "spec.events",
            rule: "one publisher must be named: stdout".into(),
        });
    }
    let settings = settings(&spec.server, spec.telemetry.log_level, &mut broken);
    let resources = resources(resource, &mut broken);

    let pinned = resource
        .status
        .as_ref()
        .and_then(|status| status.version.clone());
    let version = spec
        .version
        .clone()
        .or(pinned)
        .unwrap_or_else(|| release.version.clone());
    let image = spec
        .image
        .clone()
        .unwrap_or_else(|| format!("{}:{version}", release.repository));

    if !broken.is_empty() {
        return Err(broken);
    }
    Ok(Validated {
        name,
        namespace: resource.namespace().unwrap_or_else(|| "default".to_owned()),
        owner: resource.controller_owner_ref(&()),
        image,
        version,
        replicas,
        resources,
        settings,
    })
}

fn check_name(name: &str, broken: &mut Vec<Violation>) {
    const FIELD: &str = "metadata.name";
    if name.len() > 40 {
        broken.push(Violation {
            field: FIELD,
            rule: "must have at most 40 characters: children are named after it".into(),
        });
    }
    let label = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !label {
        broken.push(Violation {
            field: FIELD,
            rule:
                "must start with a letter and hold only lower-case letters, digits and '-', no dots"
                    .into(),
        });
    }
}

fn settings(server: &ServerSpec, log_level: LogLevel, broken: &mut Vec<Violation>) -> Settings {
    let mut settings = Settings::default();
    settings.server.request_timeout = duration(
        "spec.server.requestTimeout",
        server.request_timeout,
        bounds::REQUEST_TIMEOUT,
        broken,
    );
    settings.server.drain_timeout = duration(
        "spec.server.drainTimeout",
        server.drain_timeout,
        bounds::DRAIN_TIMEOUT,
        broken,
    );
    match u32::try_from(server.max_concurrent_streams) {
        Ok(streams) if bounds::MAX_CONCURRENT_STREAMS.contains(streams) => {
            settings.server.max_concurrent_streams = streams;
        }
        _ => broken.push(Violation {
            field: "spec.server.maxConcurrentStreams",
            rule: format!(
                "{} is not between {} and {}",
                server.max_concurrent_streams,
                bounds::MAX_CONCURRENT_STREAMS.min,
                bounds::MAX_CONCURRENT_STREAMS.max
            ),
        }),
    }
    settings.telemetry.log_level = match log_level {
        LogLevel::Error => user_settings::LogLevel::Error,
        LogLevel::Warn => user_settings::LogLevel::Warn,
        LogLevel::Info => user_settings::LogLevel::Info,
        LogLevel::Debug => user_settings::LogLevel::Debug,
        LogLevel::Trace => user_settings::LogLevel::Trace,
    };
    settings
}

fn duration(
    field: &'static str,
    value: kube_core::Duration,
    bounds: Bounds<Duration>,
    broken: &mut Vec<Violation>,
) -> Duration {
    let accepted = Duration::from(value);
    if value.is_negative() || !bounds.contains(accepted) {
        broken.push(Violation {
            field,
            rule: format!(
                "{value:?} is not between {:?} and {:?}",
                bounds.min, bounds.max
            ),
        });
    }
    accepted
}

fn resources(resource: &UserService, broken: &mut Vec<Violation>) -> ResourceRequirements {
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
                broken.push(Violation {
                    field,
                    rule: format!("{:?} is no quantity such as 250m or 64Mi", quantity.0),
                });
            }
        }
        if quantity::value(request) > quantity::value(limit) && quantity::value(limit).is_some() {
            broken.push(Violation {
                field: request_field,
                rule: format!("must not exceed {limit_field}"),
            });
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
