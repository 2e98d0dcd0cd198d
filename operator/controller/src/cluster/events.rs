//! Events of Kubernetes about the resource, for `kubectl describe` and whoever watches them.

use k8s_openapi::{
    api::{
        core::v1::{Namespace, ObjectReference},
        events::v1::Event,
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Resource, ResourceExt, api::PostParams, core::PartialObjectMeta};
use operator_api::{UserService, UserServiceStatus};
use operator_cluster::bounded;
use operator_core::{Transition, children::MANAGER, shortened, transitions};

use super::Cluster;
use crate::leadership::pod_name;

const KIND: &str = "Event";
/// Where Events about what is in no namespace are.
const DEFAULT_NAMESPACE: &str = "default";

/// What is told.
struct News {
    is_warning: bool,
    action: String,
    reason: String,
    message: String,
}

impl From<Transition> for News {
    fn from(transition: Transition) -> Self {
        Self {
            is_warning: transition.is_warning,
            action: format!("{}Changed", transition.condition),
            reason: transition.reason,
            message: transition.message,
        }
    }
}

impl Cluster<'_> {
    /// Tells what changed with a status that was written.
    pub(super) async fn tell(&self, resource: &UserService, status: &UserServiceStatus) {
        for news in transitions(resource.status.as_ref(), status) {
            let now = Timestamp::now();
            self.write_event(event(resource.object_ref(&()), news.into(), now))
                .await;
        }
    }

    /// Tells that the resource goes without its topics; of the namespace if that goes too, since
    /// nothing can be made in it any more.
    pub(crate) async fn tell_left_behind(
        &self,
        resource: &UserService,
        terminating: Option<&PartialObjectMeta<Namespace>>,
        message: &str,
    ) {
        let (namespace, name) = (self.namespace, self.name);
        tracing::warn!(why = message, "topics are left behind");
        let us = resource.object_ref(&());
        let (regarding, message) = match terminating {
            None => (us.clone(), message.to_owned()),
            Some(terminating) => (
                ObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Namespace".to_owned()),
                    name: Some(namespace.to_owned()),
                    uid: terminating.uid(),
                    ..ObjectReference::default()
                },
                format!("UserService {name}: {message}"),
            ),
        };
        let news = News {
            is_warning: true,
            action: "Released".to_owned(),
            reason: "TopicsLeftBehind".to_owned(),
            message: shortened(&message),
        };
        let event = event(regarding, news, Timestamp::now());
        self.write_event(Event {
            related: terminating.map(|_| us),
            ..event
        })
        .await;
    }

    /// Tells that a resource cannot be read, hence has no status that could say so.
    pub(crate) async fn tell_malformed(&self, regarding: ObjectReference, message: &str) {
        let news = News {
            is_warning: true,
            action: "Read".to_owned(),
            reason: "Malformed".to_owned(),
            message: shortened(message),
        };
        self.write_event(event(regarding, news, Timestamp::now()))
            .await;
    }

    /// Best effort, as Events are: one that cannot be written is logged, and fails no pass.
    async fn write_event(&self, event: Event) {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let params = PostParams::default();
        let request = events.create(&params, &event);
        match bounded("create", KIND, self.name, request).await {
            Ok(_) => self.metrics.written("create", KIND),
            Err(error) => tracing::warn!(
                %error,
                "an event could not be written"
            ),
        }
    }
}

/// The Event, named as client-go names them.
fn event(regarding: ObjectReference, news: News, now: Timestamp) -> Event {
    let name = regarding.name.as_deref().unwrap_or_default();
    let namespace = regarding.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let type_ = if news.is_warning { "Warning" } else { "Normal" };
    Event {
        metadata: ObjectMeta {
            // The action tells apart what is found out in the same nanosecond.
            name: Some(format!(
                "{name}.{:x}.{}",
                now.as_nanosecond(),
                news.action.to_lowercase()
            )),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        action: Some(news.action),
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
