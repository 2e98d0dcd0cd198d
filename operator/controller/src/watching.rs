//! What is watched: the resources, their children and pods, and the Secrets that they refer to.

mod children;
mod place;
mod pods;
mod steady;

use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Client, Resource, ResourceExt,
    api::DynamicObject,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt, controller, predicates, reflector,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use operator_api::UserService;
use operator_cluster::api_resource;
use operator_core::{
    ChildKind,
    children::{MANAGED_BY_LABEL, MANAGER},
    secret_names,
};
use tokio::sync;

use self::steady::{is_unknown, watch, watch_telling};
pub(crate) use self::{
    children::Children,
    place::{Known, Place},
};
use crate::queue::Queue;

/// Events that come in this short a time are answered by one pass.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// A resource, or what is wrong with it.
pub(crate) type Guarded = DeserializeGuard<UserService>;

/// A place, and whether the API server refused a first look there.
pub(crate) struct Looked {
    pub(crate) place: Place,
    pub(crate) is_refused: bool,
}

/// A controller for each place, with everything that can set off a pass there, and what they know.
/// They cannot share a store: each list of one place would take what the others have for gone.
pub(crate) fn controllers(
    client: &Client,
    places: Vec<Looked>,
    concurrency: u16,
    queue: &Queue,
) -> (Vec<Controller<Guarded>>, Known) {
    let mut known = Known::default();
    let controllers = places.into_iter().map(|Looked { place, is_refused }| {
        let (sender, ready) = sync::watch::channel(is_refused);
        let children = Children::default();
        let controller = controller(client, &place, concurrency, queue, &children, sender);
        known.add(place, controller.store(), children, ready);
        controller
    });
    let controllers = controllers.collect();
    (controllers, known)
}

/// `ready` becomes true once the resources are known.
fn controller(
    client: &Client,
    place: &Place,
    concurrency: u16,
    queue: &Queue,
    children: &Children,
    ready: sync::watch::Sender<bool>,
) -> Controller<Guarded> {
    let config = controller::Config::default()
        .debounce(DEBOUNCE)
        .concurrency(concurrency);
    let (reader, writer) = reflector::store();
    let known = reader.clone();
    let told = place.to_string();
    // Seen here, not by the store's own wait: that wakes only one of its waiters, and the controller is one.
    let resources = watch(place, place.api(client), watcher::Config::default());
    let events = kept(writer, resources).inspect_ok(move |event| {
        if matches!(event, watcher::Event::InitDone) && !ready.send_replace(true) {
            tracing::info!(place = told, "ready");
        }
    });
    // A status written here, or by anybody else, is no reason to look again. An annotation is: one
    // lets a resource go without its topics.
    let changed = events.applied_objects().predicate_filter(
        predicates::generation.combine(predicates::annotations),
        PredicateConfig::default(),
    );
    let changed = changed.inspect_ok({
        let queue = queue.clone();
        move |resource| {
            queue.noted([ObjectRef::from_obj(resource)]);
        }
    });
    let controller = Controller::for_stream(changed, reader).with_config(config);
    ChildKind::ALL
        .into_iter()
        .fold(controller, |controller, kind| {
            let changed = changed_children(client, place, kind, children.clone());
            controller.watches_stream_with(changed, owners(queue), api_resource(kind))
        })
        .watches_stream(pods::troubled(client, place), {
            let queue = queue.clone();
            move |pod| queue.noted(pods::of(pod))
        })
        .watches_stream(pods::failed_mounts(client, place), {
            let (known, queue) = (known.clone(), queue.clone());
            move |event| queue.noted(pods::concerned(&known, &event))
        })
        .watches_stream(secrets(client, place), {
            let queue = queue.clone();
            move |secret| queue.noted(referring(&known, &secret))
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

/// The resources that own a child.
fn owners(
    queue: &Queue,
) -> impl Fn(DynamicObject) -> Vec<ObjectRef<Guarded>> + Send + Sync + use<> {
    let queue = queue.clone();
    move |child| {
        let owners = child.metadata.owner_references.iter().flatten();
        let namespace = child.metadata.namespace.as_deref();
        queue.noted(owners.filter_map(|owner| ObjectRef::from_owner_ref(namespace, owner, ())))
    }
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

/// Only what the operator keeps is watched, so that what it knows does not grow with the cluster. A kind
/// of another operator that the cluster does not know is no failure to tell of.
fn changed_children(
    client: &Client,
    place: &Place,
    kind: ChildKind,
    known: Children,
) -> impl Stream<Item = watcher::Result<DynamicObject>> + Send + use<> {
    let ours = watcher::Config::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGER}"));
    let is_told = {
        let known = known.clone();
        move |error: &watcher::Error| {
            let is_absent = kind.is_foreign() && is_unknown(error);
            if is_absent && matches!(error, watcher::Error::InitialListFailed(_)) {
                known.no_such_kind(kind);
            } else if is_absent {
                // It was listed a moment ago, and may be again without a word of it.
                known.unsure(kind);
            }
            !is_absent
        }
    };
    watch_telling(place, place.children(client, kind), ours, is_told)
        .map_ok(move |event| stream::iter(known.note(kind, event)).map(Ok))
        .try_flatten()
}

/// Metadata alone: what Secrets hold is asked for by name, when a resource refers to one.
fn secrets(
    client: &Client,
    place: &Place,
) -> impl Stream<Item = watcher::Result<PartialObjectMeta<Secret>>> + Send + use<> {
    watch(place, place.api(client), watcher::Config::default()).touched_objects()
}

#[cfg(test)]
mod tests {
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
    fn a_child_leads_to_its_owner_which_waits_from_then_on() {
        let queue = Queue::default();
        let owner = |kind: &str, name: &str| json!({"apiVersion": "usersvc.dev/v1alpha1", "kind": kind, "name": name, "uid": "1"});
        let child: DynamicObject = serde_json::from_value(json!({"metadata": {
            "namespace": "team-a", "name": "users-1",
            "ownerReferences": [owner("UserService", "users"), owner("Other", "other")],
        }}))
        .unwrap();
        let wanted = [ObjectRef::new("users").within("team-a")];
        assert_eq!(owners(&queue)(child.clone()), wanted);
        assert_eq!(owners(&queue)(child), wanted);
        assert_eq!(queue.depth(), 1);
        queue.taken("team-a/users");
        assert_eq!(queue.depth(), 0);
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
