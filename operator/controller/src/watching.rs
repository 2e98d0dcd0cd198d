//! What is watched: the resources, their children and pods, and the Secrets that they refer to.

mod pods;

use std::time::Duration;

use futures::{Stream, TryStreamExt};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{ControllerRevision, Deployment},
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::Job,
        core::v1::{ConfigMap, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt, controller, predicates, reflector,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use operator_api::UserService;
use operator_core::{
    children::{MANAGED_BY_LABEL, MANAGER},
    secret_names,
};
use tokio::sync::watch;

/// Events that come in this short a time are answered by one pass.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// A resource, or what is wrong with it.
type Guarded = DeserializeGuard<UserService>;

/// The controller with everything that can set off a pass. `ready` becomes true once the resources
/// are known.
pub(crate) fn controller(
    client: &Client,
    resources: Api<Guarded>,
    concurrency: u16,
    ready: watch::Sender<bool>,
) -> Controller<Guarded> {
    let config = controller::Config::default()
        .debounce(DEBOUNCE)
        .concurrency(concurrency);
    let (reader, writer) = reflector::store();
    let known = reader.clone();
    // Seen here, not by the store's own wait: that wakes only one of its waiters, and the controller is one.
    let events =
        kept(writer, watcher(resources, watcher::Config::default())).inspect_ok(move |event| {
            if matches!(event, watcher::Event::InitDone) && !ready.send_replace(true) {
                tracing::info!("ready");
            }
        });
    // A status written here, or by anybody else, is no reason to look again. An annotation is: one
    // lets a resource go without its topics.
    let changed = events.applied_objects().predicate_filter(
        predicates::generation.combine(predicates::annotations),
        PredicateConfig::default(),
    );
    Controller::for_stream(changed, reader)
        .with_config(config)
        .owns(all::<ServiceAccount>(client), ours())
        .owns(all::<ConfigMap>(client), ours())
        .owns(all::<ControllerRevision>(client), ours())
        .owns(all::<Service>(client), ours())
        .owns(all::<PodDisruptionBudget>(client), ours())
        .owns(all::<NetworkPolicy>(client), ours())
        .owns(all::<Job>(client), ours())
        .owns(all::<Deployment>(client), ours())
        .owns(all::<HorizontalPodAutoscaler>(client), ours())
        .watches_stream(pods::troubled(client), pods::of)
        .watches(pods::events(client), pods::failed_mounts(), {
            let known = known.clone();
            move |event| pods::concerned(&known, &event)
        })
        .watches(secrets(client), watcher::Config::default(), move |secret| {
            referring(&known, &secret)
        })
}

/// Keeps the resources in the store, without who set which field: that takes as much room as all
/// the rest, and nobody asks.
fn kept(
    writer: reflector::store::Writer<Guarded>,
    events: impl Stream<Item = watcher::Result<watcher::Event<Guarded>>>,
) -> impl Stream<Item = watcher::Result<watcher::Event<Guarded>>> {
    let pruned = events.modify(|resource| resource.meta_mut().managed_fields = None);
    reflector(writer, pruned)
}

fn all<K>(client: &Client) -> Api<K>
where
    K: k8s_openapi::Resource<Scope = NamespaceResourceScope>
        + k8s_openapi::Metadata<Ty = ObjectMeta>,
{
    Api::all(client.clone())
}

/// Metadata alone: what Secrets hold is asked for by name, when a resource refers to one.
fn secrets(client: &Client) -> Api<PartialObjectMeta<Secret>> {
    Api::all(client.clone())
}

/// The resources that refer to a Secret.
fn referring(
    known: &Store<Guarded>,
    secret: &PartialObjectMeta<Secret>,
) -> Vec<ObjectRef<Guarded>> {
    let (namespace, name) = (secret.namespace(), secret.name_any());
    known
        .state_filter(|resource| {
            resource.namespace() == namespace
                && resource
                    .0
                    .as_ref()
                    .is_ok_and(|resource| secret_names(resource).contains(name.as_str()))
        })
        .iter()
        .map(|resource| ObjectRef::from_obj(resource.as_ref()))
        .collect()
}

/// Only what the operator keeps is watched, so that its caches do not grow with the cluster.
fn ours() -> watcher::Config {
    watcher::Config::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGER}"))
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn the_store_holds_no_managed_fields() {
        let (reader, writer) = reflector::store();
        let resource: UserService = serde_json::from_value(json!({
            "metadata": {
                "namespace": "team-a", "name": "users",
                "managedFields": [{"manager": "kubectl", "operation": "Apply"}],
            },
            "spec": {},
        }))
        .unwrap();
        let event = watcher::Event::Apply(DeserializeGuard(Ok(resource)));
        let seen: Vec<_> = kept(writer, stream::iter([Ok(event)])).collect().await;
        assert_eq!(seen.len(), 1);
        assert_eq!(reader.state()[0].meta().managed_fields, None);
    }

    #[test]
    fn a_secret_leads_to_the_resources_of_its_namespace_that_name_it() {
        let (reader, mut writer) = reflector::store();
        for (namespace, name, secret) in [
            ("team-a", "one", "wanted"),
            ("team-a", "two", "wanted"),
            ("team-a", "other", "another"),
            ("team-b", "elsewhere", "wanted"),
        ] {
            let resource: UserService = serde_json::from_value(json!({
                "metadata": {"namespace": namespace, "name": name},
                "spec": {"storage": {"mongodb": {"connection": {"secret": secret}}}},
            }))
            .unwrap();
            writer.apply_watcher_event(&watcher::Event::Apply(DeserializeGuard(Ok(resource))));
        }
        let secret: PartialObjectMeta<Secret> = serde_json::from_value(json!({
            "metadata": {"namespace": "team-a", "name": "wanted"},
        }))
        .unwrap();
        let mut names: Vec<String> = referring(&reader, &secret)
            .into_iter()
            .map(|resource| resource.name)
            .collect();
        names.sort();
        assert_eq!(names, ["one", "two"]);
    }
}
