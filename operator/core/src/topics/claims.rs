use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ResourceExt;
use operator_api::{KafkaEvents, UserService};
use user_settings::Kafka;

use super::{names, servers};

/// Topics of `resource` that an older resource claims too, each with the namespace and name of the
/// oldest. Two resources mean the same cluster if they name a broker in common.
pub fn claims<'a>(
    resource: &UserService,
    all: impl IntoIterator<Item = &'a UserService>,
) -> BTreeMap<String, String> {
    let Some(ours) = kafka(resource) else {
        return BTreeMap::new();
    };
    let our_servers = servers(&ours.bootstrap_servers.join(","));
    let our_topics = topics_of(ours);
    let mut older: Vec<&UserService> = all
        .into_iter()
        .filter(|other| age(other) < age(resource))
        .filter(|other| {
            kafka(other).is_some_and(|theirs| {
                !servers(&theirs.bootstrap_servers.join(",")).is_disjoint(&our_servers)
            })
        })
        .collect();
    older.sort_by_key(|other| age(other));
    let mut claimed = BTreeMap::new();
    for other in older {
        for topic in kafka(other).map(topics_of).unwrap_or_default() {
            if our_topics.contains(&topic) {
                let (_, namespace, name) = age(other);
                claimed
                    .entry(topic)
                    .or_insert_with(|| format!("{namespace}/{name}"));
            }
        }
    }
    claimed
}

/// Topics that another resource describes at the brokers of `resource`, each with its namespace and
/// name. One that is being deleted describes nothing any more.
pub fn in_use<'a>(
    resource: &UserService,
    all: impl IntoIterator<Item = &'a UserService>,
) -> BTreeMap<String, String> {
    let Some(ours) = kafka(resource) else {
        return BTreeMap::new();
    };
    let our_servers = servers(&ours.bootstrap_servers.join(","));
    let us = (resource.namespace(), resource.name_any());
    let mut used = BTreeMap::new();
    for other in all {
        let is_other = (other.namespace(), other.name_any()) != us
            && other.metadata.deletion_timestamp.is_none();
        let Some(theirs) = kafka(other).filter(|_| is_other) else {
            continue;
        };
        if servers(&theirs.bootstrap_servers.join(",")).is_disjoint(&our_servers) {
            continue;
        }
        let (_, namespace, name) = age(other);
        for topic in topics_of(theirs) {
            used.insert(topic, format!("{namespace}/{name}"));
        }
    }
    used
}

/// Oldest first. Without a creation time a resource is in no cluster yet, hence the youngest.
fn age(resource: &UserService) -> (AgeOrder, String, String) {
    let created = resource.metadata.creation_timestamp.clone();
    (
        created.map_or(AgeOrder::NotCreated, AgeOrder::Created),
        resource.namespace().unwrap_or_default(),
        resource.name_any(),
    )
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum AgeOrder {
    Created(Time),
    NotCreated,
}

fn kafka(resource: &UserService) -> Option<&KafkaEvents> {
    resource.spec.events.as_ref()?.kafka.as_ref()
}

fn topics_of(spec: &KafkaEvents) -> Vec<String> {
    names(&Kafka {
        topic_prefix: spec.topic_prefix.clone().unwrap_or_default(),
        ..Kafka::default()
    })
}
