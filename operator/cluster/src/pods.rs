//! A look at the pods of a resource that do not take calls.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use operator_core::{
    awaits_containers,
    children::{INSTANCE_LABEL, POD_SELECTOR},
};

use crate::{Error, Reader, bounded};

/// Pods of one resource that are looked at, and of those the ones whose events are: enough to tell
/// what is wrong with a revision.
const PODS: u32 = 200;
const PODS_WITH_EVENTS: usize = 3;

impl Reader<'_> {
    /// Pods of the resource and of its preparation.
    pub(super) async fn pods(&self) -> Result<Vec<Pod>, Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace);
        let labels = format!("{POD_SELECTOR},{INSTANCE_LABEL}={}", self.name);
        let params = ListParams::default().labels(&labels).limit(PODS);
        let pods = bounded("list", "Pod", self.name, api.list(&params)).await?;
        Ok(pods.items)
    }

    /// Why volumes of those pods that have no containers yet cannot be mounted, by the pod's UID.
    /// The pods themselves do not tell.
    pub(super) async fn failed_mounts(
        &self,
        pods: &[Pod],
    ) -> Result<BTreeMap<String, String>, Error> {
        let waiting = pods.iter().filter(|pod| awaits_containers(pod));
        let uids = waiting.filter_map(ResourceExt::uid).take(PODS_WITH_EVENTS);
        let found = try_join_all(uids.map(|uid| self.failed_mount(uid))).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn failed_mount(&self, uid: String) -> Result<Option<(String, String)>, Error> {
        let fields = format!("involvedObject.uid={uid},reason=FailedMount");
        Ok(self
            .last_event(&fields)
            .await?
            .map(|message| (uid, message)))
    }

    /// Why pods of the Job with this UID cannot be made. The Job itself does not tell, and another one
    /// may have had its name.
    pub(super) async fn refused_job(&self, uid: &str) -> Result<Option<String>, Error> {
        let fields = format!("involvedObject.uid={uid},reason=FailedCreate");
        let message = self.last_event(&fields).await?;
        Ok(message.map(|message| {
            let words = message.strip_prefix("Error creating: ");
            words.unwrap_or(&message).to_owned()
        }))
    }

    async fn last_event(&self, fields: &str) -> Result<Option<String>, Error> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), self.namespace);
        let params = ListParams::default().fields(fields);
        let events = bounded("list", "Event", self.name, api.list(&params)).await?;
        let last = events
            .items
            .into_iter()
            .max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
        Ok(last.and_then(|event| event.message))
    }
}
