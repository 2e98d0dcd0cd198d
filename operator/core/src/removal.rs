//! What has to be done before a resource may go.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::{Resource, ResourceExt};
use operator_api::{
    CreatedTopic, SKIP_TOPIC_DELETION, TOPICS_FINALIZER, UserService, UserServiceStatus,
};
use serde_json::Value;

use crate::{
    ChildKind, Delete, SeenTopics, Topic, TopicChange, World,
    plan::{WRITE_RECHECK, delete_of, report},
    status::{self, Obstacle, remembered},
    topics,
};

/// What has to be done for a resource that is being deleted and holds our finalizer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Removal {
    /// Objects to delete first, so that nobody publishes while topics go: a broker may create a
    /// topic anew for whoever does.
    pub deletes: Vec<Delete>,
    /// Topics to delete. What follows from it is planned anew.
    pub topics: Vec<TopicChange>,
    /// Whether nothing is left to do, so that the finalizer may go.
    pub release: bool,
    /// What is to be told first, if topics stay that were to be deleted.
    pub left_behind: Option<String>,
    /// The new status, if it differs from the one in force.
    pub status: Option<UserServiceStatus>,
    /// When to look again even if nothing changes.
    pub requeue: Option<Duration>,
    /// Whether something outside the API server stands in the way: look again, later each time.
    pub troubled: bool,
}

/// Whether the Deployment of the resource is still there, or on its way out: its pods may publish.
pub fn has_pods(world: &World, resource: &UserService) -> bool {
    own_deployment(world, resource).is_some()
}

fn own_deployment<'a>(world: &'a World, resource: &UserService) -> Option<&'a Value> {
    world.own(
        ChildKind::Deployment,
        &resource.name_any(),
        resource.controller_owner_ref(&()).as_ref(),
    )
}

/// Whether the resource holds our finalizer.
pub fn has_finalizer(resource: &UserService) -> bool {
    resource
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == TOPICS_FINALIZER)
}

/// Decides about a resource that is being deleted. Topics go only if this resource created them and
/// says so; whatever else is at their names stays, and so do those that another resource uses.
pub fn removal(world: &World, resource: &UserService, now: &Time) -> Removal {
    if !has_finalizer(resource) {
        return Removal::default();
    }
    let mut created = remembered(resource);
    created.retain(|topic| {
        is_reclaimed(resource, &topic.name) && !world.in_use.contains_key(&topic.name)
    });
    if is_skipped(resource) || created.is_empty() {
        return released();
    }
    if let Some(live) = own_deployment(world, resource) {
        let pods = delete_of(ChildKind::Deployment, &resource.name_any(), live);
        return Removal {
            // It goes after its pods, so that its end says that nobody publishes any more.
            deletes: pods
                .map(|pods| Delete {
                    foreground: true,
                    ..pods
                })
                .into_iter()
                .collect(),
            requeue: Some(WRITE_RECHECK),
            ..Removal::default()
        };
    }
    match &world.topics {
        SeenTopics::NotLooked => {
            if let Some(secret) = missing_secret(world, resource) {
                let why = format!("Secret {secret}, which their cluster asks for, is gone");
                return left_behind(&created, &why);
            }
            let why = "their cluster cannot be asked, since the spec or a Secret that it names is not as needed";
            waiting(world, resource, &created, why, now)
        }
        SeenTopics::Unreachable(why) => {
            waiting(world, resource, &created, &topics::unreachable(why), now)
        }
        SeenTopics::Found {
            topics, refused, ..
        } => {
            let changes = deletions(&created, topics);
            if changes.is_empty() {
                return released();
            }
            let refused: Vec<String> = refused
                .iter()
                .map(|(topic, why)| format!("{topic}: {why}"))
                .collect();
            let held = if refused.is_empty() {
                Removal::default()
            } else {
                waiting(world, resource, &created, &refused.join("; "), now)
            };
            if held.release {
                return held;
            }
            Removal {
                topics: changes,
                requeue: Some(WRITE_RECHECK),
                // Topics that do not go although they were deleted are not deleted each second.
                troubled: true,
                ..held
            }
        }
    }
}

fn released() -> Removal {
    Removal {
        release: true,
        ..Removal::default()
    }
}

/// Lets the resource go without its topics: what is in the way does not come to an end by itself.
fn left_behind(created: &[CreatedTopic], why: &str) -> Removal {
    let names: Vec<&str> = created.iter().map(|topic| topic.name.as_str()).collect();
    Removal {
        left_behind: Some(format!(
            "Topics that were to be deleted stay, since {why}: {}",
            names.join(", ")
        )),
        ..released()
    }
}

/// The Secret with the credentials for Kafka, if it is not there.
fn missing_secret<'a>(world: &World, resource: &'a UserService) -> Option<&'a str> {
    let kafka = resource.spec.events.as_ref()?.kafka.as_ref()?;
    let secret = kafka.credentials.as_ref()?.secret.as_str();
    (!world.secrets.contains_key(secret)).then_some(secret)
}

fn waiting(
    world: &World,
    resource: &UserService,
    created: &[CreatedTopic],
    why: &str,
    now: &Time,
) -> Removal {
    if world.is_terminating {
        let why = format!("the namespace is being deleted ({why})");
        return left_behind(created, &why);
    }
    let message = format!(
        "Topics that this resource created are to be deleted with it: {why}. To let it go without, set the \
         annotation {SKIP_TOPIC_DELETION} to \"true\"."
    );
    let status = status::held_up(world, resource, Obstacle::DeletingTopics(message), now);
    Removal {
        status: report(resource, status, None).status,
        troubled: true,
        ..Removal::default()
    }
}

fn deletions(created: &[CreatedTopic], found: &BTreeMap<String, Topic>) -> Vec<TopicChange> {
    created
        .iter()
        .filter(|topic| {
            found
                .get(&topic.name)
                .is_some_and(|live| live.id == topic.id)
        })
        .map(|topic| TopicChange::Delete {
            name: topic.name.clone(),
            id: topic.id.clone(),
        })
        .collect()
}

fn is_skipped(resource: &UserService) -> bool {
    resource
        .annotations()
        .get(SKIP_TOPIC_DELETION)
        .is_some_and(|value| value == "true")
}

fn is_reclaimed(resource: &UserService, topic: &str) -> bool {
    let events = resource.spec.events.as_ref();
    events
        .and_then(|events| events.kafka.as_ref())
        .is_some_and(|kafka| topics::is_reclaimed(&kafka.topics, topic))
}
