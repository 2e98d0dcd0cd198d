//! Events of Kubernetes about the resource, for `kubectl describe` and whoever watches them.

use k8s_openapi::{
    api::events::v1::Event,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Resource, api::PostParams};
use operator_api::{UserService, UserServiceStatus};
use operator_cluster::bounded;
use operator_core::{Transition, children::MANAGER, transitions};

use super::Cluster;
use crate::leadership::pod_name;

const KIND: &str = "Event";

impl Cluster<'_> {
    /// Tells what changed with a status that was written. Best effort, as Events are: one that
    /// cannot be written is logged, and fails no pass.
    pub(super) async fn tell(&self, resource: &UserService, status: &UserServiceStatus) {
        let events: Api<Event> = Api::namespaced(self.client.clone(), self.namespace);
        for news in transitions(resource.status.as_ref(), status) {
            let event = event(resource, news, Timestamp::now());
            let params = PostParams::default();
            let request = events.create(&params, &event);
            match bounded("create", KIND, self.name, request).await {
                Ok(_) => self.metrics.written("create", KIND),
                Err(error) => tracing::warn!(
                    namespace = self.namespace,
                    resource = self.name,
                    %error,
                    "an event could not be written"
                ),
            }
        }
    }
}

/// The Event, named as client-go names them.
fn event(resource: &UserService, news: Transition, now: Timestamp) -> Event {
    let regarding = resource.object_ref(&());
    let name = regarding.name.as_deref().unwrap_or_default();
    let type_ = if news.is_warning { "Warning" } else { "Normal" };
    Event {
        metadata: ObjectMeta {
            // The condition tells apart what is found out in the same nanosecond.
            name: Some(format!(
                "{name}.{:x}.{}",
                now.as_nanosecond(),
                news.condition.to_lowercase()
            )),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(format!("{}Changed", news.condition)),
        event_time: Some(MicroTime(now)),
        note: Some(news.message),
        reason: Some(news.reason),
        regarding: Some(regarding),
        reporting_controller: Some(MANAGER.to_owned()),
        reporting_instance: Some(pod_name()),
        type_: Some(type_.to_owned()),
        ..Event::default()
    }
}
