//! What a resource becomes: one file for each kind of child, each a pure `build`.

mod autoscaler;
mod certificate;
mod config_map;
mod deployment;
mod disruption_budget;
mod extras;
mod network_policy;
mod pod;
mod prepare;
mod service;
mod service_account;
mod spread;

use std::collections::BTreeMap;

use k8s_openapi::{
    NamespaceResourceScope,
    api::apps::v1::Deployment,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Child, ChildKind, Validated, revision::Revision};

pub use certificate::Certificate;
pub(crate) use certificate::secret_name as certificate_secret;
pub(crate) use config_map::{digest, name as config_map_name};
pub(crate) use deployment::template;
pub use service::endpoint;

/// Label that says which resource a child belongs to; its value is the resource's name.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Label that says who keeps a child.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`], and the field manager of every write.
pub const MANAGER: &str = "userservice-operator";
/// Annotation with the hash of what was last applied. It tells a removed field from an unchanged
/// object, which a look at the live object alone cannot.
pub const APPLIED_HASH: &str = "usersvc.dev/applied-hash";

/// Annotation of the Deployment: for which preparation it was written. It outlives the Job.
pub const PREPARED: &str = "usersvc.dev/prepared";
/// Annotation of the Deployment: for which topics it was written.
pub const TOPICS_HASH: &str = "usersvc.dev/topics-hash";
/// Annotation of the pods: digest of what they get from Secrets, so that a changed one rolls them.
pub const SECRETS_HASH: &str = "usersvc.dev/secrets-hash";

/// Annotation of the Deployment: the number of the revision that it was written for.
pub const REVISION: &str = "usersvc.dev/revision";
/// Annotation of the Deployment: version of the operator that made what its pods run.
pub const RENDERED_BY: &str = "usersvc.dev/rendered-by";

/// Annotation of the Deployment: its number of pods is left to an autoscaler.
pub const AUTOSCALED: &str = "usersvc.dev/autoscaled";
/// Field manager of the number of pods alone, which holds it for the autoscaler.
pub const REPLICAS_MANAGER: &str = "userservice-operator-replicas";

/// Selects the pods of all resources: those that serve and those that prepare for them.
pub const POD_SELECTOR: &str = "app.kubernetes.io/name in (user-service,user-service-prepare)";

/// Bytes that are enough for most children as JSON.
const TYPICAL_SIZE: usize = 4096;

const NAME_LABEL: &str = "app.kubernetes.io/name";
const SERVICE_NAME: &str = "user-service";

/// All children of a resource.
pub(crate) struct Children {
    /// In write order.
    pub(crate) all: Vec<Child>,
    /// What the preparation depends on, if there is something to prepare.
    pub(crate) prepared: Option<String>,
}

/// All children of a resource, whose pods run this revision and are so many unless their number is
/// an autoscaler's. Without a cluster nothing is known of what its Secrets hold.
pub(crate) fn build(
    resource: &Validated,
    revision: &Revision<'_>,
    secrets_hash: Option<&str>,
    replicas: Option<i32>,
) -> Result<Children, serde_json::Error> {
    let config = config_map::build(resource, &revision.config);
    let config_name = config_map::name(resource, &revision.config);
    let prepared = prepare::hash(resource, secrets_hash);
    let job = prepared
        .as_deref()
        .map(|hash| prepare::build(resource, &config_name, hash));
    let deployment = deployment::build(resource, revision, replicas, prepared.as_deref());

    let mut all = vec![
        child(ChildKind::ServiceAccount, &service_account::build(resource))?,
        child(ChildKind::ConfigMap, &config)?,
        revision.child(resource)?,
        child(ChildKind::Service, &service::build(resource))?,
        child(ChildKind::Service, &service::build_headless(resource))?,
    ];
    if let Some(policy) = network_policy::build(resource) {
        all.push(child(ChildKind::NetworkPolicy, &policy)?);
    }
    if let Some(certificate) = certificate::build(resource) {
        all.push(child(ChildKind::Certificate, &certificate)?);
    }
    if let Some(job) = &job {
        all.push(child(ChildKind::Job, job)?);
    }
    all.push(with_template(deployment, revision)?);
    if let Some(autoscaler) = autoscaler::build(resource) {
        all.push(child(ChildKind::HorizontalPodAutoscaler, &autoscaler)?);
    }
    all.push(child(
        ChildKind::PodDisruptionBudget,
        &disruption_budget::build(resource),
    )?);
    Ok(Children { all, prepared })
}

/// Kind and name of each of them, without what they are.
pub(crate) fn names(
    resource: &Validated,
    revision: &Revision<'_>,
    secrets_hash: Option<&str>,
) -> Vec<(ChildKind, String)> {
    let name = || resource.name.clone();
    let config_name = config_map::name(resource, &revision.config);
    let mut names = vec![
        (ChildKind::ServiceAccount, name()),
        (ChildKind::ConfigMap, config_name),
        (ChildKind::ControllerRevision, revision.name.clone()),
        (ChildKind::Service, name()),
        (ChildKind::Service, service::headless(&resource.name)),
        (ChildKind::Deployment, name()),
        (ChildKind::PodDisruptionBudget, name()),
    ];
    let prepared = prepare::hash(resource, secrets_hash);
    let job = prepared.map(|hash| (ChildKind::Job, prepare::name(resource, &hash)));
    names.extend(job);
    let optional = [
        (ChildKind::NetworkPolicy, resource.network.is_some()),
        (ChildKind::Certificate, resource.certificate.is_some()),
        (
            ChildKind::HorizontalPodAutoscaler,
            resource.autoscaling.is_some(),
        ),
    ];
    let present = optional.into_iter().filter(|(_, is_there)| *is_there);
    names.extend(present.map(|(kind, _)| (kind, name())));
    names
}

/// The Deployment with the template of the revision, which is hashed by the revision's name: that is
/// a hash of the template already.
fn with_template(
    deployment: Deployment,
    revision: &Revision<'_>,
) -> Result<Child, serde_json::Error> {
    let name = deployment.metadata.name.clone().unwrap_or_default();
    let object = serde_json::to_value(deployment)?;
    let mut child = hashed(ChildKind::Deployment, name, object, &revision.name)?;
    if let Some(template) = child.object.pointer_mut("/spec/template") {
        template.clone_from(&revision.template);
    }
    Ok(child)
}

fn child<K>(kind: ChildKind, object: &K) -> Result<Child, serde_json::Error>
where
    K: k8s_openapi::Metadata<Ty = ObjectMeta>
        + k8s_openapi::Resource<Scope = NamespaceResourceScope>
        + Serialize,
{
    let name = object.metadata().name.clone().unwrap_or_default();
    hashed(kind, name, serde_json::to_value(object)?, "")
}

/// A child with the hash of all of it among its annotations, and of what `beside` stands for.
pub(crate) fn hashed(
    kind: ChildKind,
    name: String,
    mut value: Value,
    beside: &str,
) -> Result<Child, serde_json::Error> {
    let mut content = Vec::with_capacity(TYPICAL_SIZE);
    serde_json::to_writer(&mut content, &value)?;
    content.extend_from_slice(beside.as_bytes());
    let hash = hash(&content);
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Value::Object(annotations) = annotations {
            annotations.insert(APPLIED_HASH.to_owned(), Value::String(hash));
        }
    }
    Ok(Child {
        kind,
        name,
        object: value,
    })
}

/// A count as the API has it. All bounds are far below overflow.
fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn hash(content: &[u8]) -> String {
    short_hash(&Sha256::digest(content))
}

/// First ten hexadecimal digits of a digest: short enough for a name, and a clash within the few
/// revisions of one resource is out of reach (40 bits).
pub(crate) fn short_hash(digest: &[u8]) -> String {
    let prefix = digest
        .iter()
        .take(5)
        .fold(0_u64, |prefix, byte| (prefix << 8) | u64::from(*byte));
    format!("{prefix:010x}")
}

pub(crate) fn metadata(resource: &Validated, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(resource.namespace.clone()),
        labels: Some(labels(resource)),
        owner_references: resource.owner.clone().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

fn labels(resource: &Validated) -> BTreeMap<String, String> {
    let mut labels = selector_labels(&resource.name);
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
    labels
}

/// The labels by which pods are selected. They never change: a Deployment's selector is immutable.
pub(crate) fn selector_labels(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME_LABEL.to_owned(), SERVICE_NAME.to_owned()),
        (INSTANCE_LABEL.to_owned(), name.to_owned()),
    ])
}

fn selector(resource: &Validated) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selector_labels(&resource.name)),
        ..LabelSelector::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selector_of_pods_names_all_that_there_are() {
        let names = format!("{SERVICE_NAME},{}", prepare::PREPARE_NAME);
        assert_eq!(POD_SELECTOR, format!("{NAME_LABEL} in ({names})"));
    }
}
