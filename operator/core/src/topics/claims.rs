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
    let our_topics = topics_of(ours);
    let mut older: Vec<(&UserService, &KafkaEvents)> = at_the_same_brokers(ours, all)
        .filter(|(other, _)| age(other) < age(resource))
        .collect();
    older.sort_by_key(|(other, _)| age(other));
    let mut claimed = BTreeMap::new();
    for (other, theirs) in older {
        for topic in topics_of(theirs) {
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
    let us = (resource.namespace(), resource.name_any());
    let mut used = BTreeMap::new();
    for (other, theirs) in at_the_same_brokers(ours, all) {
        let is_us = (other.namespace(), other.name_any()) == us;
        if is_us || other.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let (_, namespace, name) = age(other);
        for topic in topics_of(theirs) {
            used.insert(topic, format!("{namespace}/{name}"));
        }
    }
    used
}

/// The resources that name a broker in common with `ours`, with their events.
fn at_the_same_brokers<'a>(
    ours: &KafkaEvents,
    all: impl IntoIterator<Item = &'a UserService>,
) -> impl Iterator<Item = (&'a UserService, &'a KafkaEvents)> {
    let brokers = |events: &KafkaEvents| servers(&events.bootstrap_servers.join(","));
    let our_brokers = brokers(ours);
    all.into_iter()
        .filter_map(|other| Some((other, kafka(other)?)))
        .filter(move |(_, theirs)| !brokers(theirs).is_disjoint(&our_brokers))
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
