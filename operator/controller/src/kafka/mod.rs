//! Topics in Kafka: what the core asks for, in the terms of a Kafka client.
//!
//! Nothing is kept between passes, neither connections nor answers.

mod access;
mod changes;
mod permits;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use krafka::{
    admin::{
        AdminClient, ConfigEntry, ConfigResource, DescribeConfigsOptions, DescribeTopicsOptions,
        TopicDescription,
    },
    error::{ErrorCode, KrafkaError},
};
use operator_cluster::SecretData;
use operator_core::{KafkaAccess, OWNED_CONFIGS, SeenTopics, Topic, TopicChange};

pub(crate) use self::permits::{Busy, Permit, Permits};
use crate::leadership::Write;
use changes::Made;

/// Bound for connecting and looking.
const LOOK: Duration = Duration::from_secs(5);
/// Bound for looking again after a change: whoever gives up does not learn which topics are ours.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Bound of one request.
const REQUEST: Duration = Duration::from_secs(4);
/// Bound of one attempt to connect: a dead broker or two leave time for the next.
const CONNECT: Duration = Duration::from_millis(1500);
/// Pause until a change is looked for again: brokers learn of it from the controller.
const SETTLE: Duration = Duration::from_millis(100);

/// Why Kafka could not be asked. It holds no secrets: the client keeps them out of its errors.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("Secret {secret}: {key} is no text in UTF-8")]
    NoText { secret: String, key: &'static str },
    #[error(transparent)]
    Kafka(#[from] KrafkaError),
}

/// A connection to the cluster of one resource, for one pass.
pub(crate) struct Session {
    admin: AdminClient,
    names: BTreeSet<String>,
}

/// Connects and looks at the topics that concern a resource. The session is there if Kafka
/// answered.
pub(crate) async fn look(
    access: KafkaAccess,
    secrets: &SecretData,
) -> (SeenTopics, Option<Session>) {
    let looking = async {
        let session = Session {
            admin: access::connect(&access, secrets).await?,
            names: access.topics,
        };
        let topics = session.find().await?;
        Ok((topics, session))
    };
    let looked = tokio::time::timeout(LOOK, looking)
        .await
        .unwrap_or(Err(Error::Timeout(LOOK)));
    match looked {
        Ok((topics, session)) => (found(topics), Some(session)),
        Err(error) => (SeenTopics::Unreachable(error.to_string()), None),
    }
}

impl Session {
    /// Makes the changes within the bound of the write and looks again. What Kafka refuses does not
    /// stop the others.
    pub(crate) async fn change(&self, changes: &[TopicChange], write: Write) -> SeenTopics {
        let mut made = Made::default();
        if let Err(late) = write.in_time(made.make(&self.admin, changes)).await {
            tracing::warn!(error = %late, "topics");
        }
        drop(write);
        let looking = with_all(&made.created, || self.find());
        let looked = tokio::time::timeout(LOOK_AGAIN, looking)
            .await
            .unwrap_or(Err(Error::Timeout(LOOK_AGAIN)));
        match looked {
            Ok(topics) => SeenTopics::Found {
                topics,
                created: made.created,
                refused: made.refused,
            },
            Err(error) => SeenTopics::Unreachable(error.to_string()),
        }
    }

    /// Those of the topics that exist.
    async fn find(&self) -> Result<BTreeMap<String, Topic>, Error> {
        let mut topics = BTreeMap::new();
        let options = DescribeTopicsOptions::default().timeout(REQUEST);
        for (name, described) in self.admin.describe_topics(&self.names, options).await? {
            match described {
                Ok(topic) => {
                    topics.insert(name, seen(&topic));
                }
                Err(error) if is_unknown(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let resources: Vec<ConfigResource> = topics.keys().map(ConfigResource::topic).collect();
        if resources.is_empty() {
            return Ok(topics);
        }
        let options = DescribeConfigsOptions::default()
            .timeout(REQUEST)
            .config_names(OWNED_CONFIGS.map(str::to_owned).to_vec());
        for (resource, entries) in self.admin.describe_configs(resources, options).await? {
            match entries {
                Ok(entries) => {
                    if let Some(topic) = topics.get_mut(&resource.name) {
                        topic.configs = configs(entries);
                    }
                }
                // Another broker than the one that told of it, which has not heard of it yet.
                Err(error) if is_unknown(&error) => {
                    topics.remove(&resource.name);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(topics)
    }
}

/// Looks until all that was created is among what is found: without it its identifier would not be known,
/// and with it whose the topic is. A look that fails says nothing of that.
async fn with_all<F>(
    created: &BTreeSet<String>,
    mut find: impl FnMut() -> F,
) -> Result<BTreeMap<String, Topic>, Error>
where
    F: Future<Output = Result<BTreeMap<String, Topic>, Error>>,
{
    loop {
        match find().await {
            Ok(topics) if created.iter().all(|name| topics.contains_key(name)) => {
                return Ok(topics);
            }
            Err(error) if created.is_empty() => return Err(error),
            Err(error) => tracing::debug!(%error, "looking for what was created"),
            Ok(_) => {}
        }
        tokio::time::sleep(SETTLE).await;
    }
}

fn is_unknown(error: &KrafkaError) -> bool {
    matches!(
        error,
        KrafkaError::Broker {
            code: ErrorCode::UnknownTopicOrPartition,
            ..
        }
    )
}

fn found(topics: BTreeMap<String, Topic>) -> SeenTopics {
    SeenTopics::Found {
        topics,
        created: BTreeSet::new(),
        refused: BTreeMap::new(),
    }
}

fn seen(topic: &TopicDescription) -> Topic {
    let fewest = topic
        .partitions
        .iter()
        .map(|partition| partition.replicas.len())
        .min();
    Topic {
        // As Kafka's own tools print it.
        id: URL_SAFE_NO_PAD.encode(topic.topic_id),
        partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
        replication_factor: u32::try_from(fewest.unwrap_or(0)).unwrap_or(u32::MAX),
        configs: BTreeMap::new(),
    }
}

fn configs(entries: Vec<ConfigEntry>) -> BTreeMap<String, String> {
    entries
        .into_iter()
        .filter_map(|entry| Some((entry.name, entry.value?)))
        .collect()
}

#[cfg(test)]
mod security_tests;
#[cfg(test)]
mod tests;
