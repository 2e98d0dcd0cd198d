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
    Metadata, NamespaceResourceScope, Resource,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Child, ChildKind, Validated, hash, revision::Revision};

pub use certificate::Certificate;
pub(crate) use certificate::secret_name as certificate_secret;
pub(crate) use config_map::{digest, holds as holds_config, name as config_map_name};
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

const NAME_LABEL: &str = "app.kubernetes.io/name";
const SERVICE_NAME: &str = "user-service";

/// All children of a resource. Those that hold its revision have to be completed by it.
pub(crate) struct Children {
    /// In write order.
    pub(crate) all: Vec<Child>,
    /// What the preparation depends on, if there is something to prepare.
    pub(crate) prepared: Option<String>,
    /// The same by the image that this operator gives to new pods, if it is not that of the revision.
    pub(crate) prepared_by_new_image: Option<String>,
}

impl Children {
    /// The preparation, if there is something to prepare.
    pub(crate) fn job(&self) -> Option<&Child> {
        self.all.iter().find(|child| child.kind == ChildKind::Job)
    }
}

/// All children of a resource, whose pods run this revision and are so many unless their number is
/// an autoscaler's. Without a cluster nothing is known of what its Secrets hold.
pub(crate) fn build(
    resource: &Validated,
    revision: &Revision<'_>,
    secrets_hash: Option<&str>,
    replicas: Option<i32>,
) -> Result<Children, serde_json::Error> {
    let config = revision.config();
    let config_name = config_map::name(resource, &config);
    let config = config_map::build(config_name.clone(), config);
    let image = revision.image(resource);
    let prepared = prepare::hash(resource, image, secrets_hash);
    let job = prepared
        .as_deref()
        .map(|hash| prepare::build(resource, image, &config_name, hash));
    let prepared_by_new_image = (image != resource.image)
        .then(|| prepare::hash(resource, &resource.image, secrets_hash))
        .flatten();
    let deployment = deployment::build(resource, revision, replicas, prepared.as_deref());

    let shared = shared_metadata(resource)?;
    let mut config = child(ChildKind::ConfigMap, &config, &shared)?;
    // Its hash is of the settings too, which are the revision's to give.
    if let Value::Object(fields) = &mut config.object {
        fields.remove("data");
    }
    let mut all = vec![
        child(
            ChildKind::ServiceAccount,
            &service_account::build(resource),
            &shared,
        )?,
        config,
        child(ChildKind::ControllerRevision, &revision.object(), &shared)?,
        child(ChildKind::Service, &service::build(resource), &shared)?,
        child(
            ChildKind::Service,
            &service::build_headless(resource),
            &shared,
        )?,
    ];
    if let Some(policy) = network_policy::build(resource) {
        all.push(child(ChildKind::NetworkPolicy, &policy, &shared)?);
    }
    if let Some(certificate) = certificate::build(resource) {
        all.push(child(ChildKind::Certificate, &certificate, &shared)?);
    }
    if let Some(job) = &job {
        all.push(child(ChildKind::Job, job, &shared)?);
    }
    // Without its template, of which the revision's name is a hash already.
    all.push(hashed(
        ChildKind::Deployment,
        &deployment,
        &shared,
        &revision.name,
    )?);
    if let Some(autoscaler) = autoscaler::build(resource) {
        all.push(child(
            ChildKind::HorizontalPodAutoscaler,
            &autoscaler,
            &shared,
        )?);
    }
    let budget = disruption_budget::build(resource);
    all.push(child(ChildKind::PodDisruptionBudget, &budget, &shared)?);
    Ok(Children {
        all,
        prepared,
        prepared_by_new_image,
    })
}

/// Kind and name of each of them, without what they are.
pub(crate) fn names(
    resource: &Validated,
    revision: &Revision<'_>,
    secrets_hash: Option<&str>,
) -> Vec<(ChildKind, String)> {
    let name = || resource.name.clone();
    let config_name = config_map::name(resource, &revision.config());
    let mut names = vec![
        (ChildKind::ServiceAccount, name()),
        (ChildKind::ConfigMap, config_name),
        (ChildKind::ControllerRevision, revision.name.clone()),
        (ChildKind::Service, name()),
        (ChildKind::Service, service::headless(&resource.name)),
        (ChildKind::Deployment, name()),
        (ChildKind::PodDisruptionBudget, name()),
    ];
    let prepared = prepare::hash(resource, revision.image(resource), secrets_hash);
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

fn child<K>(
    kind: ChildKind,
    object: &K,
    shared: &Map<String, Value>,
) -> Result<Child, serde_json::Error>
where
    K: Resource<Scope = NamespaceResourceScope> + Metadata<Ty = ObjectMeta> + Serialize,
{
    hashed(kind, object, shared, "")
}

/// A child with the metadata that all share, and among its annotations the hash of all of it and of
/// what `beside` stands for.
fn hashed<K>(
    kind: ChildKind,
    object: &K,
    shared: &Map<String, Value>,
    beside: &str,
) -> Result<Child, serde_json::Error>
where
    K: Resource<Scope = NamespaceResourceScope> + Metadata<Ty = ObjectMeta> + Serialize,
{
    let name = object.metadata().name.clone().unwrap_or_default();
    let mut object = serde_json::to_value(object)?;
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.extend(shared.clone());
    }
    let hash = hash::of_json(&object, beside)?;
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(annotations) = annotations {
            annotations.insert(APPLIED_HASH.to_owned(), Value::String(hash));
        }
    }
    Ok(Child { kind, name, object })
}

/// Leaves no more of a live child of this name than a plan looks at, for whoever keeps many. It may come without its
/// metadata, which is left as it is.
pub fn condense(kind: ChildKind, name: &str, live: &mut Value) {
    match kind {
        // Their status tells how the pods, a preparation and a certificate are.
        ChildKind::Deployment | ChildKind::Job | ChildKind::Certificate => {}
        ChildKind::ConfigMap => config_map::condense(name, live),
        _ => {
            if let Value::Object(fields) = live {
                fields.remove("status");
            }
        }
    }
}

/// A count as the API has it. All bounds are far below overflow.
fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Metadata of a child but for what all children [share](shared_metadata), which replaces a
/// namespace, labels and owners that are set here.
pub(crate) fn named(name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        ..ObjectMeta::default()
    }
}

/// What the metadata of all children of a resource have in common.
fn shared_metadata(resource: &Validated) -> Result<Map<String, Value>, serde_json::Error> {
    let shared = ObjectMeta {
        namespace: Some(resource.namespace.clone()),
        labels: Some(labels(resource)),
        owner_references: resource.owner.clone().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    Map::deserialize(serde_json::to_value(shared)?)
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
