use std::collections::BTreeMap;

use operator_api::{CreatedTopic, condition::reason};

use super::{
    DesiredTopic, DesiredTopics, SeenTopics, Topic, TopicChange, differing, is_created, plan_topics,
};
use crate::{
    World,
    hash::short_hash,
    status::{FALSE, TRUE, UNKNOWN},
};
use sha2::{Digest, Sha256};

/// Created topics that a status remembers.
const REMEMBERED: usize = 64;

/// What follows from what was seen in Kafka.
pub(crate) struct Review {
    /// What has to change.
    pub(crate) changes: Vec<TopicChange>,
    /// Status, reason and message of the condition; none if nothing is known anew.
    pub(crate) condition: Option<(&'static str, &'static str, String)>,
    /// Whether a topic is not known to be there and ours to use.
    pub(crate) lacking: bool,
    /// Whether something outside stands in the way, which time may remove.
    pub(crate) troubled: bool,
    /// Partitions that each topic of events has at least, of those that are there and ours to use.
    pub(crate) partitions: Option<u32>,
    /// Topics that the resource created, as far as is known.
    pub(crate) created: Vec<CreatedTopic>,
}

impl DesiredTopics {
    /// A digest of brokers and names, which says for which topics a Deployment was written.
    pub(crate) fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        let names = self.topics.iter().map(|topic| &topic.name);
        for part in self.bootstrap_servers.iter().chain(names) {
            hasher.update(part);
            hasher.update([0]);
        }
        short_hash(&hasher.finalize())
    }
}

/// Compares the topics that shall be with those that were seen. `before` are those that the
/// resource is known to have created.
pub(crate) fn review(wanted: &DesiredTopics, world: &World, before: &[CreatedTopic]) -> Review {
    let (found, refused) = match &world.topics {
        SeenTopics::NotLooked => return Review::blind(before, None),
        SeenTopics::Unreachable(why) => return Review::blind(before, Some(why)),
        SeenTopics::Found {
            topics, refused, ..
        } => (topics, refused),
    };
    let (claimed, ours): (Vec<_>, Vec<_>) = wanted
        .topics
        .iter()
        .cloned()
        .partition(|topic| world.claims.contains_key(&topic.name));
    let created = created(world, before);
    let changes = plan_topics(&ours, found, &created, wanted.may_grow);
    let condition = conflict(&claimed, &world.claims)
        .or_else(|| refusal(refused))
        .or_else(|| changing(&changes))
        .or_else(|| deviation(&ours, found, &created, wanted.may_grow))
        .unwrap_or_else(|| {
            let count = ours.len();
            let message = format!("{count} topics are there as described.");
            (TRUE, reason::TOPICS_IN_PLACE, message)
        });
    Review {
        lacking: !claimed.is_empty() || ours.iter().any(|topic| !found.contains_key(&topic.name)),
        troubled: !refused.is_empty(),
        partitions: fewest(&ours, found),
        created,
        changes,
        condition: Some(condition),
    }
}

impl Review {
    fn blind(before: &[CreatedTopic], why: Option<&String>) -> Self {
        Self {
            changes: Vec::new(),
            condition: why.map(|why| (FALSE, reason::KAFKA_UNREACHABLE, unreachable(why))),
            lacking: true,
            troubled: why.is_some(),
            partitions: None,
            created: before.to_vec(),
        }
    }
}

/// Topics for dead letters, which have one partition whatever is described, do not count.
fn fewest(ours: &[DesiredTopic], found: &BTreeMap<String, Topic>) -> Option<u32> {
    let described = ours.iter().map(|topic| topic.partitions).max()?;
    ours.iter()
        .filter(|topic| topic.partitions == described)
        .filter_map(|topic| found.get(&topic.name))
        .map(|live| live.partitions)
        .min()
}

/// That Kafka cannot be reached, with the field that says where it is.
pub(crate) fn unreachable(why: &str) -> String {
    format!("spec.events.kafka.bootstrapServers: Kafka cannot be reached: {why}")
}

type Finding = (&'static str, &'static str, String);

fn conflict(claimed: &[DesiredTopic], claims: &BTreeMap<String, String>) -> Option<Finding> {
    let listed: Vec<String> = claimed
        .iter()
        .filter_map(|topic| Some(format!("{} by {}", topic.name, claims.get(&topic.name)?)))
        .collect();
    (!listed.is_empty()).then(|| {
        let message = format!(
            "Topics are claimed by older UserServices: {}. Give this one another topicPrefix.",
            listed.join(", ")
        );
        (FALSE, reason::NAME_CONFLICT, message)
    })
}

fn refusal(refused: &BTreeMap<String, String>) -> Option<Finding> {
    let listed: Vec<String> = refused
        .iter()
        .map(|(topic, why)| format!("{topic}: {why}"))
        .collect();
    (!listed.is_empty()).then(|| (FALSE, reason::TOPIC_REFUSED, listed.join("; ")))
}

fn changing(changes: &[TopicChange]) -> Option<Finding> {
    let count = changes.len();
    (count > 0).then(|| {
        let message = format!("{count} changes to topics are not visible yet.");
        (UNKNOWN, reason::TOPICS_CHANGING, message)
    })
}

/// What is described and is not done to a topic that exists.
fn deviation(
    topics: &[DesiredTopic],
    found: &BTreeMap<String, Topic>,
    created: &[CreatedTopic],
    may_grow: bool,
) -> Option<Finding> {
    let (mut unsupported, mut not_acknowledged) = (Vec::new(), Vec::new());
    for topic in topics {
        let Some(live) = found.get(&topic.name) else {
            continue;
        };
        let (name, want) = (&topic.name, topic.partitions);
        if live.partitions > want {
            unsupported.push(format!(
                "{name} has {} partitions, of which none can be taken away to have {want}",
                live.partitions
            ));
        }
        if live.partitions < want && !may_grow {
            not_acknowledged.push(format!("{name} has {} partitions", live.partitions));
        }
        if live.replication_factor != topic.replication_factor {
            unsupported.push(format!(
                "{name} has replication factor {}, not {}: move its replicas with Kafka's own tools",
                live.replication_factor, topic.replication_factor
            ));
        }
    }
    unsupported.extend(foreign_configs(topics, found, created));
    if !not_acknowledged.is_empty() {
        unsupported.push(format!(
            "{}; growPartitions: RemapKeys adds what is missing, and keys move to other partitions",
            not_acknowledged.join(", ")
        ));
        let reason = if unsupported.len() > 1 {
            reason::CHANGE_NOT_SUPPORTED
        } else {
            reason::GROWTH_NOT_ACKNOWLEDGED
        };
        return Some((FALSE, reason, unsupported.join("; ")));
    }
    (!unsupported.is_empty()).then(|| (FALSE, reason::CHANGE_NOT_SUPPORTED, unsupported.join("; ")))
}

/// What is configured otherwise than described on topics that the resource did not create.
fn foreign_configs(
    topics: &[DesiredTopic],
    found: &BTreeMap<String, Topic>,
    created: &[CreatedTopic],
) -> Vec<String> {
    let mut foreign = Vec::new();
    for topic in topics {
        let Some(live) = found.get(&topic.name) else {
            continue;
        };
        let differing = differing(topic, live);
        if differing.is_empty() || is_created(created, &topic.name, live) {
            continue;
        }
        let listed: Vec<String> = differing
            .iter()
            .map(|(key, value)| {
                let is = live.configs.get(key).map_or("unset", String::as_str);
                format!("{key}={is}, not {value}")
            })
            .collect();
        foreign.push(format!(
            "{}, which this resource did not create, has {}: set it with Kafka's own tools",
            topic.name,
            listed.join(", ")
        ));
    }
    foreign
}

/// Topics that the resource created: what was known `before`, unless another one has the name by
/// now, and what was created in this pass, newest last. One that is not seen is kept: a broker may
/// not have heard of it yet.
pub(crate) fn created(world: &World, before: &[CreatedTopic]) -> Vec<CreatedTopic> {
    let SeenTopics::Found {
        topics, created, ..
    } = &world.topics
    else {
        return before.to_vec();
    };
    let kept = before.iter().filter(|topic| {
        topics
            .get(&topic.name)
            .is_none_or(|live| live.id == topic.id)
    });
    let mut all: Vec<CreatedTopic> = kept.cloned().collect();
    for name in created {
        let Some(live) = topics.get(name) else {
            continue;
        };
        if !all.iter().any(|topic| topic.name == *name) {
            all.push(CreatedTopic {
                name: name.clone(),
                id: live.id.clone(),
            });
        }
    }
    newest(all)
}

/// What a status is to remember that was found out from `before`, while the status in force became
/// `live`: `after`, and what became of the others meanwhile. Whose a topic is cannot be found out
/// again, so nobody's news of it is written over.
pub fn merged_topics(
    before: &[CreatedTopic],
    after: &[CreatedTopic],
    live: &[CreatedTopic],
) -> Vec<CreatedTopic> {
    let is_known_anew = |topic: &CreatedTopic| after.iter().any(|new| new.name == topic.name);
    let added = live
        .iter()
        .filter(|topic| !before.contains(topic) && !is_known_anew(topic));
    let kept = after
        .iter()
        .filter(|topic| !before.contains(topic) || live.contains(topic));
    newest(added.chain(kept).cloned().collect())
}

fn newest(mut topics: Vec<CreatedTopic>) -> Vec<CreatedTopic> {
    let surplus = topics.len().saturating_sub(REMEMBERED);
    topics.split_off(surplus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(ids: &[(&str, &str)]) -> Vec<CreatedTopic> {
        ids.iter()
            .map(|(name, id)| CreatedTopic {
                name: (*name).to_owned(),
                id: (*id).to_owned(),
            })
            .collect()
    }

    #[test]
    fn nothing_is_remembered_but_what_was_found_out_while_nobody_else_noted_anything() {
        let (before, after) = (topics(&[("a", "1"), ("b", "1")]), topics(&[("b", "1")]));
        assert_eq!(merged_topics(&before, &after, &before), after);
        assert_eq!(merged_topics(&before, &after, &after), after);
    }

    #[test]
    fn what_others_noted_and_forgot_meanwhile_is_kept_beside_what_was_found_out() {
        let before = topics(&[("a", "1"), ("b", "1")]);
        let live = topics(&[("b", "1"), ("c", "2"), ("d", "2")]);
        let after = topics(&[("a", "1"), ("b", "1"), ("d", "3")]);
        assert_eq!(
            merged_topics(&before, &after, &live),
            topics(&[("c", "2"), ("b", "1"), ("d", "3")])
        );
    }
}
