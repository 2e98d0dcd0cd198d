//! What a resource means, in the operator's words.

use operator_api::UserService;
use serde::Serialize;
use user_settings::{Events, Storage};

use crate::{
    Child, ChildKind, Release, RenderError, Validated, World,
    children::endpoint,
    plan::render,
    scaling,
    secrets::{Need, SecretMount},
    topics::DesiredTopic,
    validate::validate,
};

/// What becomes of a resource, without a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Name of the resource.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Image of the pods.
    pub image: String,
    /// Number of pods, or the least of it.
    pub replicas: i32,
    /// Most pods, where an autoscaler decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<u32>,
    /// Longest time that a pod may take to stop, seconds.
    pub grace_period_seconds: Option<i64>,
    /// In-cluster address of the gRPC API.
    pub endpoint: String,
    /// Where users are kept, in a sentence.
    pub storage: String,
    /// Where events go, in a sentence.
    pub events: String,
    /// Secrets that the pods get.
    pub secrets: Vec<ExplainedSecret>,
    /// Topics that are there before the pods.
    pub topics: Vec<ExplainedTopic>,
    /// Children, in write order.
    pub children: Vec<ExplainedChild>,
}

/// A Secret that the pods get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedSecret {
    /// Path of the field that names it.
    pub field: &'static str,
    /// Name of the Secret.
    pub secret: String,
    /// The keys that are read.
    pub keys: Vec<ExplainedKey>,
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedKey {
    /// The key.
    pub key: String,
    /// Whether it must be there: `required`, `optional`, or `required with` another.
    pub need: String,
}

/// A topic as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Copies of each partition.
    pub replication_factor: u32,
    /// How long records are kept, seconds.
    pub retention_seconds: u64,
    /// Whether it is deleted with the resource, if the resource created it.
    pub deleted_with_resource: bool,
}

/// A child and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedChild {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
}

/// What becomes of `resource`. Without a cluster nothing is known of what its Secrets hold.
///
/// # Errors
/// As [`render`](crate::render).
pub fn explain(resource: &UserService, release: &Release) -> Result<Explanation, RenderError> {
    let validated = validate(resource, release).map_err(RenderError::Invalid)?;
    let replicas = scaling::replicas(&World::default(), &validated);
    let children = render(resource, release)?;
    let grace_period = children
        .iter()
        .find(|child| child.kind == ChildKind::Deployment)
        .and_then(|child| {
            let path = "/spec/template/spec/terminationGracePeriodSeconds";
            child.object.pointer(path)?.as_i64()
        });
    Ok(Explanation {
        endpoint: endpoint(&validated.name, &validated.namespace),
        replicas: replicas.unwrap_or(validated.replicas),
        max_replicas: validated.autoscaling.as_ref().map(|scaling| scaling.max),
        grace_period_seconds: grace_period,
        storage: storage(&validated),
        events: events(&validated),
        secrets: validated.mounts.iter().map(secret).collect(),
        topics: topics(&validated),
        children: children.iter().map(child).collect(),
        name: validated.name,
        namespace: validated.namespace,
        image: validated.image,
    })
}

fn storage(validated: &Validated) -> String {
    let settings = &validated.settings;
    match settings.storage {
        Storage::Memory => {
            "Users are kept in the memory of each pod: pods do not share them and they are lost with the pod.".to_owned()
        }
        Storage::Mongodb => format!(
            "Users are kept in the MongoDB database {}, with {} connections of each pod at most; a Job migrates it before pods of a new image start.",
            settings.mongodb.database, settings.mongodb.max_pool_size
        ),
    }
}

fn events(validated: &Validated) -> String {
    let kafka = &validated.settings.kafka;
    match validated.settings.events {
        Events::Stdout => {
            "Events are lines on the standard output of the pods, without personal data.".to_owned()
        }
        Events::Kafka if kafka.schema_registry_url.is_empty() => {
            format!(
                "Events are records in Kafka at {}, as bare protobuf.",
                kafka.bootstrap_servers
            )
        }
        Events::Kafka => format!(
            "Events are records in Kafka at {}, with their schemas in the registry at {}; a Job registers those before the pods start.",
            kafka.bootstrap_servers, kafka.schema_registry_url
        ),
    }
}

fn secret(mount: &SecretMount) -> ExplainedSecret {
    let keys = mount.files.iter().map(|file| ExplainedKey {
        key: file.key.clone(),
        need: match file.need {
            Need::Always => "required".to_owned(),
            Need::Optional => "optional".to_owned(),
            Need::With(other) => format!("required with {other}"),
        },
    });
    ExplainedSecret {
        field: mount.field,
        secret: mount.secret.clone(),
        keys: keys.collect(),
    }
}

fn topics(validated: &Validated) -> Vec<ExplainedTopic> {
    let Some(desired) = &validated.topics else {
        return Vec::new();
    };
    let topic = |topic: &DesiredTopic| ExplainedTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        retention_seconds: topic.retention.as_secs(),
        deleted_with_resource: desired.reclaimed.contains(&topic.name),
    };
    desired.topics.iter().map(topic).collect()
}

fn child(child: &Child) -> ExplainedChild {
    let purpose = match child.kind {
        ChildKind::ServiceAccount => "identity of the pods, without rights and without a token",
        ChildKind::ConfigMap => "settings, immutable and named by their content",
        ChildKind::ControllerRevision => {
            "what the pods run, kept for a rollback and from newer operators"
        }
        ChildKind::Service if child.name.ends_with("-headless") => {
            "addresses of all ready pods, for clients that balance"
        }
        ChildKind::Service => "address for most clients",
        ChildKind::NetworkPolicy => "whom the pods may speak to",
        ChildKind::Certificate => "asks cert-manager for the certificate of the pods",
        ChildKind::Job => "prepares the database and the schema registry before the pods start",
        ChildKind::Deployment => "the pods, replaced as spec.rollout says",
        ChildKind::HorizontalPodAutoscaler => "decides on the number of pods by their load",
        ChildKind::PodDisruptionBudget => "bounds how many pods are evicted at a time",
    };
    ExplainedChild {
        kind: child.kind.name(),
        name: child.name.clone(),
        purpose,
    }
}
