//! Topics in Kafka: which there shall be, what has to change, and whose they are.

mod claims;
mod review;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use operator_api::{CreatedTopic, ReclaimPolicy, TopicsSpec};
use user_settings::{Kafka, event_type};

pub use claims::{claims, in_use};
pub use review::merged_topics;
pub(crate) use review::{Review, created, review, unreachable};

/// Configuration of a topic that the operator owns. The rest of it is whoever set it.
pub const OWNED_CONFIGS: [&str; 3] = [CLEANUP_POLICY, MIN_IN_SYNC_REPLICAS, RETENTION];

const CLEANUP_POLICY: &str = "cleanup.policy";
const MIN_IN_SYNC_REPLICAS: &str = "min.insync.replicas";
const RETENTION: &str = "retention.ms";

/// Dead letters wait for people, so they are kept this long at least.
const DEAD_LETTER_RETENTION: Duration = Duration::from_hours(30 * 24);

/// A topic as Kafka has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// Identifier that Kafka gave it, which a topic of the same name does not inherit.
    pub id: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Copies of the partition that has the fewest.
    pub replication_factor: u32,
    /// What is in force for each of [`OWNED_CONFIGS`].
    pub configs: BTreeMap<String, String>,
}

/// What was seen in Kafka in this pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeenTopics {
    /// Nothing: there was no reason or no way to look.
    #[default]
    NotLooked,
    /// Kafka did not answer, or not in time, for this reason.
    Unreachable(String),
    /// Kafka answered.
    Found {
        /// Those of the topics asked for that exist, by name.
        topics: BTreeMap<String, Topic>,
        /// Names of those that were created in this pass.
        created: BTreeSet<String>,
        /// Changes that Kafka refused in this pass: the topic and Kafka's words.
        refused: BTreeMap<String, String>,
    },
}

/// A topic as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Copies of each partition.
    pub replication_factor: u32,
    /// Copies that must have a record before it is acknowledged.
    pub min_in_sync_replicas: u32,
    /// How long records are kept.
    pub retention: Duration,
}

/// All topics of a resource, and what may be done to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DesiredTopics {
    pub(crate) topics: Vec<DesiredTopic>,
    /// Sorted, in lower case.
    pub(crate) bootstrap_servers: BTreeSet<String>,
    /// Whether partitions may be added to a topic that exists.
    pub(crate) may_grow: bool,
    /// Names of those that go with the resource if it created them.
    pub(crate) reclaimed: BTreeSet<String>,
}

/// One change to one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicChange {
    /// It is to be created, with these configurations.
    Create {
        /// The topic.
        topic: DesiredTopic,
        /// Its configuration.
        configs: BTreeMap<String, String>,
    },
    /// It is to get this many partitions in all.
    Grow {
        /// Name of the topic.
        name: String,
        /// Partitions in all.
        partitions: u32,
    },
    /// These of its configurations are to be set, and no others touched.
    Configure {
        /// Name of the topic.
        name: String,
        /// What to set.
        configs: BTreeMap<String, String>,
    },
    /// It is to be deleted, if it still has this identifier.
    Delete {
        /// Name of the topic.
        name: String,
        /// Its identifier, a precondition of the delete.
        id: String,
    },
}

/// How to reach the cluster that a resource names, and what to ask it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaAccess {
    /// Brokers and how the connection is protected.
    pub kafka: Kafka,
    /// Secret with the credentials.
    pub credentials: Option<String>,
    /// Names of the topics that concern the resource.
    pub topics: BTreeSet<String>,
}

impl DesiredTopic {
    /// The configuration it shall have on `replicas` copies. A topic with fewer copies than must
    /// be in sync would take no record at all.
    fn configs(&self, replicas: u32) -> BTreeMap<String, String> {
        let in_sync = self.min_in_sync_replicas.min(replicas);
        BTreeMap::from([
            (CLEANUP_POLICY.to_owned(), "delete".to_owned()),
            (MIN_IN_SYNC_REPLICAS.to_owned(), in_sync.to_string()),
            (RETENTION.to_owned(), self.retention.as_millis().to_string()),
        ])
    }
}

/// The topic of each type of event, made by `topic` from its name, and the topic for its dead
/// letters: one partition, kept longer.
pub(crate) fn desired(kafka: &Kafka, topic: impl Fn(String) -> DesiredTopic) -> Vec<DesiredTopic> {
    event_type::ALL
        .into_iter()
        .flat_map(|event_type| {
            let dead_letters = topic(kafka.dead_letter_topic(event_type));
            [
                topic(kafka.topic(event_type)),
                DesiredTopic {
                    partitions: 1,
                    retention: dead_letters.retention.max(DEAD_LETTER_RETENTION),
                    ..dead_letters
                },
            ]
        })
        .collect()
}

/// Names of all topics: of each type of event, and of its dead letters.
fn names(kafka: &Kafka) -> Vec<String> {
    event_type::ALL
        .into_iter()
        .flat_map(|event_type| [kafka.topic(event_type), kafka.dead_letter_topic(event_type)])
        .collect()
}

/// Whether a topic goes with the resource that created it. One that was created under another prefix is still the topic
/// of its events.
pub(crate) fn is_reclaimed(spec: &TopicsSpec, topic: &str) -> bool {
    let mut overrides = spec.overrides.iter();
    let own = overrides.find(|one| topic.ends_with(one.name.as_str()));
    own.map_or(spec.reclaim_policy, |one| one.reclaim_policy) == ReclaimPolicy::Delete
}

/// Brokers as a set, to compare clusters by.
pub(crate) fn servers(bootstrap_servers: &str) -> BTreeSet<String> {
    bootstrap_servers
        .split(',')
        .map(str::to_ascii_lowercase)
        .collect()
}

/// What brings the topics that are there to those that shall be. Partitions are added only if
/// `may_grow`, and never taken away; replicas are not moved. Only those `created` by the resource
/// are configured: what others set on theirs has a reason.
pub fn plan_topics(
    desired: &[DesiredTopic],
    found: &BTreeMap<String, Topic>,
    created: &[CreatedTopic],
    may_grow: bool,
) -> Vec<TopicChange> {
    let mut changes = Vec::new();
    for topic in desired {
        let name = topic.name.clone();
        let Some(live) = found.get(&name) else {
            changes.push(TopicChange::Create {
                configs: topic.configs(topic.replication_factor),
                topic: topic.clone(),
            });
            continue;
        };
        if may_grow && live.partitions < topic.partitions {
            changes.push(TopicChange::Grow {
                name: name.clone(),
                partitions: topic.partitions,
            });
        }
        let configs = differing(topic, live);
        if !configs.is_empty() && is_created(created, &name, live) {
            changes.push(TopicChange::Configure { name, configs });
        }
    }
    changes
}

/// Configuration that shall be and is not.
fn differing(topic: &DesiredTopic, live: &Topic) -> BTreeMap<String, String> {
    let mut configs = topic.configs(live.replication_factor);
    configs.retain(|key, value| live.configs.get(key) != Some(value));
    configs
}

/// Whether a topic is one of those `created`, and not another one of the same name.
fn is_created(created: &[CreatedTopic], name: &str, live: &Topic) -> bool {
    created
        .iter()
        .any(|topic| topic.name == name && topic.id == live.id)
}
