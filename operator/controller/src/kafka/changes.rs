use std::collections::{BTreeMap, BTreeSet, HashMap};

use krafka::{
    admin::{
        AdminClient, ConfigOp, ConfigResource, CreatePartitionsOptions, CreateTopicsOptions,
        DeleteTopicsOptions, IncrementalAlterConfigsOptions, NewTopic,
    },
    error::{ErrorCode, KrafkaError},
};
use operator_core::{DesiredTopic, TopicChange};

use super::REQUEST;

/// What became of changes, as far as Kafka answered.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) created: BTreeSet<String>,
    /// Kafka's words, by topic.
    pub(super) refused: BTreeMap<String, String>,
}

impl Made {
    /// Makes the changes, each kind in one request. A delete relies on the identifier having been
    /// looked at in this pass: Kafka takes names only.
    pub(super) async fn make(&mut self, admin: &AdminClient, changes: &[TopicChange]) {
        for (name, answer) in create(admin, changes).await {
            match answer {
                Ok(()) => {
                    tracing::info!(topic = name, "created");
                    self.created.insert(name);
                }
                // Somebody was faster, and whose the topic is was decided thereby.
                Err(error) if code(&error) == Some(ErrorCode::TopicAlreadyExists) => {}
                Err(error) => {
                    self.refused.insert(name, said(&error));
                }
            }
        }
        self.changed(grow(admin, changes).await);
        self.changed(configure(admin, changes).await);
        self.changed(delete(admin, changes).await);
    }

    fn changed(&mut self, answers: Answers) {
        for (name, answer) in answers {
            match answer {
                Ok(()) => tracing::info!(topic = name, "changed"),
                Err(error) if code(&error) == Some(ErrorCode::UnknownTopicOrPartition) => {}
                Err(error) => {
                    self.refused.insert(name, said(&error));
                }
            }
        }
    }
}

type Answers = Vec<(String, Result<(), KrafkaError>)>;

async fn create(admin: &AdminClient, changes: &[TopicChange]) -> Answers {
    let mut wanted = Vec::new();
    let mut answers = Vec::new();
    for change in changes {
        if let TopicChange::Create { topic, configs } = change {
            match new_topic(topic, configs) {
                Ok(new) => wanted.push(new),
                Err(error) => answers.push((topic.name.clone(), Err(error))),
            }
        }
    }
    let names = wanted.iter().map(|topic| topic.name.clone()).collect();
    if !wanted.is_empty() {
        let options = CreateTopicsOptions::default().timeout(REQUEST);
        let all = admin.create_topics(wanted, options).await;
        answers.extend(each(names, all));
    }
    answers
}

fn new_topic(
    topic: &DesiredTopic,
    configs: &BTreeMap<String, String>,
) -> Result<NewTopic, KrafkaError> {
    // Both are bounded far below.
    let partitions = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
    let replicas = i16::try_from(topic.replication_factor).unwrap_or(i16::MAX);
    let mut new = NewTopic::new(topic.name.clone(), partitions, replicas)?;
    for (key, value) in configs {
        new = new.with_config(key, value);
    }
    Ok(new)
}

async fn grow(admin: &AdminClient, changes: &[TopicChange]) -> Answers {
    let totals: Vec<(String, i32)> = changes
        .iter()
        .filter_map(|change| match change {
            TopicChange::Grow { name, partitions } => {
                Some((name.clone(), i32::try_from(*partitions).ok()?))
            }
            _ => None,
        })
        .collect();
    if totals.is_empty() {
        return Vec::new();
    }
    let names = totals.iter().map(|(name, _)| name.clone()).collect();
    let options = CreatePartitionsOptions::default().timeout(REQUEST);
    each(names, admin.create_partitions(totals, options).await)
}

async fn configure(admin: &AdminClient, changes: &[TopicChange]) -> Answers {
    let sets: Vec<(ConfigResource, Vec<ConfigOp>)> = changes
        .iter()
        .filter_map(|change| match change {
            TopicChange::Configure { name, configs } => {
                let operations = configs.iter().map(|(key, value)| ConfigOp::set(key, value));
                Some((ConfigResource::topic(name), operations.collect()))
            }
            _ => None,
        })
        .collect();
    if sets.is_empty() {
        return Vec::new();
    }
    let names = sets.iter().map(|(topic, _)| topic.name.clone()).collect();
    let options = IncrementalAlterConfigsOptions::default().timeout(REQUEST);
    let all = admin.incremental_alter_configs(sets, options).await;
    let by_name = all.map(|answers| {
        answers
            .into_iter()
            .map(|(topic, answer)| (topic.name, answer))
            .collect()
    });
    each(names, by_name)
}

async fn delete(admin: &AdminClient, changes: &[TopicChange]) -> Answers {
    let names: Vec<String> = changes
        .iter()
        .filter_map(|change| match change {
            TopicChange::Delete { name, .. } => Some(name.clone()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let options = DeleteTopicsOptions::default().timeout(REQUEST);
    let all = admin.delete_topics(&names, options).await;
    each(names, all)
}

/// The answer for each topic; if the request failed as a whole, that is the answer for each.
fn each(
    names: Vec<String>,
    all: Result<HashMap<String, Result<(), KrafkaError>>, KrafkaError>,
) -> Answers {
    match all {
        Ok(answers) => answers.into_iter().collect(),
        Err(error) => names
            .into_iter()
            .map(|name| (name, Err(error.clone())))
            .collect(),
    }
}

fn code(error: &KrafkaError) -> Option<ErrorCode> {
    match error {
        KrafkaError::Broker { code, .. } => Some(*code),
        _ => None,
    }
}

/// Kafka's own words where it spoke.
fn said(error: &KrafkaError) -> String {
    match error {
        KrafkaError::Broker { message, .. } if !message.is_empty() => message.clone(),
        other => other.to_string(),
    }
}
