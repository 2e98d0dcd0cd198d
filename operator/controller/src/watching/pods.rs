//! Pods and events about them, watched for what is wrong. Nothing of them is kept: a pass reads
//! the pods of its resource when it needs them.

use std::hash::{DefaultHasher, Hash, Hasher};

use futures::{Stream, TryStreamExt};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Client, ResourceExt,
    runtime::{
        PredicateConfig, WatchStreamExt,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use operator_core::{
    children::{INSTANCE_LABEL, POD_SELECTOR},
    signs,
};

use super::{Guarded, Place, steady::watch};

/// Pods of services each time that something else is wrong with them. All else that pods tell
/// shows in their Deployment or Job.
pub(super) fn troubled(
    client: &Client,
    place: &Place,
) -> impl Stream<Item = watcher::Result<Pod>> + Send + use<> {
    let config = watcher::Config::default().labels(POD_SELECTOR);
    watch(place, place.api(client), config)
        .applied_objects()
        .predicate_filter(|pod: &Pod| Some(by_signs(pod)), PredicateConfig::default())
        .map_ok(pruned)
}

fn by_signs(pod: &Pod) -> u64 {
    let mut hasher = DefaultHasher::new();
    signs(pod).hash(&mut hasher);
    hasher.finish()
}

/// What [`of`] needs.
fn pruned(pod: Pod) -> Pod {
    let mut kept = Pod::default();
    kept.metadata.name = pod.metadata.name;
    kept.metadata.namespace = pod.metadata.namespace;
    kept.metadata.labels = pod.metadata.labels;
    kept
}

/// The resource that a pod belongs to, by its label.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(super) fn of(pod: Pod) -> Option<ObjectRef<Guarded>> {
    let name = pod.labels().get(INSTANCE_LABEL)?;
    Some(ObjectRef::new(name).within(&pod.namespace()?))
}

/// Volumes that cannot be mounted: the one trouble that only events tell.
pub(super) fn failed_mounts(
    client: &Client,
    place: &Place,
) -> impl Stream<Item = watcher::Result<Event>> + Send + use<> {
    let config = watcher::Config::default().fields("involvedObject.kind=Pod,reason=FailedMount");
    watch(place, place.api(client), config).touched_objects()
}

/// The resources that the event may be about: pods are named after theirs.
pub(super) fn concerned(known: &Store<Guarded>, event: &Event) -> Vec<ObjectRef<Guarded>> {
    let about = &event.involved_object;
    let pod = about.name.as_deref().unwrap_or_default();
    known
        .state_filter(|resource| {
            let name = resource.name_any();
            resource.namespace() == about.namespace
                && pod
                    .strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('-'))
        })
        .iter()
        .map(|resource| ObjectRef::from_obj(resource.as_ref()))
        .collect()
}

#[cfg(test)]
mod tests {
    use kube::{core::DeserializeGuard, runtime::reflector};
    use operator_api::{UserService, UserServiceSpec};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_leads_to_the_resource_of_its_label() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {
            "namespace": "team-a", "name": "users-1", "labels": {INSTANCE_LABEL: "users"},
        }}))
        .unwrap();
        assert_eq!(
            of(pruned(pod)),
            Some(ObjectRef::new("users").within("team-a"))
        );
        assert_eq!(of(Pod::default()), None);
    }

    #[test]
    fn an_event_leads_to_the_resources_whose_name_its_pod_begins_with() {
        let (known, mut writer) = reflector::store();
        for (namespace, name) in [("team-a", "users"), ("team-a", "user"), ("team-b", "users")] {
            let mut resource = UserService::new(name, UserServiceSpec::default());
            resource.metadata.namespace = Some(namespace.into());
            writer.apply_watcher_event(&watcher::Event::Apply(DeserializeGuard(Ok(resource))));
        }
        let event: Event = serde_json::from_value(json!({
            "metadata": {},
            "involvedObject": {"kind": "Pod", "namespace": "team-a", "name": "users-5c7f-x"},
        }))
        .unwrap();
        assert_eq!(
            concerned(&known, &event),
            [ObjectRef::new("users").within("team-a")]
        );
    }
}
