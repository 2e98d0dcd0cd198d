//! The real servers beside the cluster's own parts: Kafka, the schema registry, the database, and faults in front of it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::{Value, json};

use crate::{
    Scenario,
    kubectl::kubectl,
    signal::signal,
    wait::{Seen, until},
};

/// Namespace of the servers.
pub const NAMESPACE: &str = "backing";
/// Brokers, as pods reach them.
pub const BROKERS: [&str; 3] = [
    "kafka-0.kafka.backing:9092",
    "kafka-1.kafka.backing:9092",
    "kafka-2.kafka.backing:9092",
];
/// The same by `SASL_SSL`.
pub const SASL_BROKERS: [&str; 3] = [
    "kafka-0.kafka.backing:9093",
    "kafka-1.kafka.backing:9093",
    "kafka-2.kafka.backing:9093",
];
/// The registry's Confluent API.
pub const REGISTRY: &str = "http://registry.backing:8080/apis/ccompat/v7";
/// The Secret with the connection string, in a scenario's namespace.
pub const CONNECTION: &str = "users-mongodb";
/// The database.
pub const DATABASE: &str = "mongodb://mongodb-0.mongodb.backing:27017/?replicaSet=rs0";
/// The database, past the faults.
pub const FAULTY_DATABASE: &str = "mongodb://mongodb-faults.backing:27017/?directConnection=true";

/// Where a broker has a folder for each partition.
const LOGS: &str = "/data/log";

/// Name of the service's process.
const SERVICE: &str = "user-service";

/// How long a broker may take to be back and to have caught up.
const BROKER_BACK: Duration = Duration::from_secs(120);

/// `spec` for users in the database and events in Kafka, in a database and topics of the scenario's own.
pub fn durable(scenario: &Scenario) -> Value {
    json!({
        "storage": {"mongodb": {
            "connection": {"secret": CONNECTION},
            "database": scenario.namespace,
        }},
        "events": {"kafka": {
            "bootstrapServers": BROKERS,
            "topicPrefix": prefix(scenario),
            "schemaRegistry": {"url": REGISTRY},
            "topics": {"reclaimPolicy": "Delete"},
        }},
    })
}

/// What the names of the scenario's topics begin with.
pub fn prefix(scenario: &Scenario) -> String {
    format!("{}.", scenario.namespace)
}

/// Writes the Secret with this connection string.
///
/// # Errors
/// If the API server refuses it.
pub async fn connect_to(scenario: &Scenario, uri: &str) -> Result<()> {
    scenario
        .write_secret(CONNECTION, &json!({"uri": uri}))
        .await
}

/// What [`SASL_BROKERS`] ask of a client, as the content of a Secret.
///
/// # Errors
/// If the bed has no such Secret.
pub async fn kafka_credentials(scenario: &Scenario) -> Result<Value> {
    let secrets: Api<Secret> = Api::namespaced(scenario.client(), NAMESPACE);
    let data = secrets.get("kafka-client").await?.data.unwrap_or_default();
    let mut content = serde_json::Map::new();
    for (key, value) in data {
        content.insert(key, String::from_utf8(value.0)?.into());
    }
    Ok(content.into())
}

/// Tells the proxy in front of the database what to break from now on.
///
/// # Errors
/// If the proxy does not take the rules.
pub async fn break_database(scenario: &Scenario, rules: Value) -> Result<()> {
    let uri = format!("/api/v1/namespaces/{NAMESPACE}/services/mongodb-faults:8474/proxy/faults");
    let request = http::Request::put(&uri)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&rules)?)?;
    let answer = scenario.client().request_text(request).await;
    answer.context("tell the faults")?;
    Ok(())
}

/// Restarts a broker and waits until every partition has all its replicas in sync again.
///
/// # Errors
/// If that takes too long.
pub async fn restart_broker(scenario: &Scenario, number: u8) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(scenario.client(), NAMESPACE);
    let name = format!("kafka-{number}");
    let before = pods.get(&name).await?.uid();
    pods.delete(&name, &DeleteParams::default()).await?;
    until("the broker is back", BROKER_BACK, || async {
        let back = pods.get_opt(&name).await?.is_some_and(|pod| {
            let ready = pod
                .status
                .as_ref()
                .and_then(|status| status.conditions.as_ref());
            pod.uid() != before
                && ready.is_some_and(|conditions| {
                    conditions
                        .iter()
                        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
                })
        });
        Ok(Seen::when(back, (), &name))
    })
    .await?;
    until("all replicas are in sync", BROKER_BACK, || async {
        let behind = kafka(
            number,
            "topics",
            &["--describe", "--under-replicated-partitions"],
        )
        .await?;
        Ok(Seen::when(behind.trim().is_empty(), (), behind))
    })
    .await
}

/// Stops all threads of a pod's process, as a stalled machine would, until [`thaw`].
///
/// # Errors
/// If the node has no such process.
pub async fn freeze(pod: &Pod) -> Result<()> {
    signal(pod, SERVICE, "STOP").await
}

/// Lets a frozen pod go on.
///
/// # Errors
/// If the node has no such process.
pub async fn thaw(pod: &Pod) -> Result<()> {
    signal(pod, SERVICE, "CONT").await
}

/// Freezes all brokers: Kafka takes connections and answers nothing, until [`thaw_brokers`].
///
/// # Errors
/// If one of them cannot be frozen.
pub async fn freeze_brokers(scenario: &Scenario) -> Result<()> {
    signal_brokers(scenario, "STOP").await
}

/// Lets all brokers go on.
///
/// # Errors
/// If one of them cannot.
pub async fn thaw_brokers(scenario: &Scenario) -> Result<()> {
    signal_brokers(scenario, "CONT").await
}

async fn signal_brokers(scenario: &Scenario, name: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(scenario.client(), NAMESPACE);
    for broker in 0..BROKERS.len() {
        let pod = pods.get(&format!("kafka-{broker}")).await?;
        signal(&pod, "java", name).await?;
    }
    Ok(())
}

/// Changes the configuration of a topic by Kafka's own tool, such as with `--add-config NAME=VALUE`.
///
/// # Errors
/// If Kafka does not take it.
pub async fn configure_topic(topic: &str, change: &[&str]) -> Result<()> {
    let which = ["--alter", "--entity-type", "topics", "--entity-name", topic];
    kafka(0, "configs", &[&which, change].concat()).await?;
    Ok(())
}

/// A topic as Kafka describes it.
#[derive(Clone, Debug, Default)]
pub struct Topic {
    /// Number of partitions.
    pub partitions: u32,
    /// Configuration that is not the brokers'.
    pub configs: BTreeMap<String, String>,
}

/// The topics of the scenario, by what follows their [prefix].
///
/// # Errors
/// If Kafka does not answer.
pub async fn topics(scenario: &Scenario) -> Result<BTreeMap<String, Topic>> {
    let said = kafka(0, "topics", &["--describe"]).await?;
    Ok(described(&said, &prefix(scenario)))
}

/// Deletes the scenario's topics whose name, after their [prefix], is like this regular expression.
///
/// # Errors
/// If Kafka does not.
pub async fn delete_topics(scenario: &Scenario, like: &str) -> Result<()> {
    let topics = format!("{}{like}", prefix(scenario).replace('.', "[.]"));
    kafka(0, "topics", &["--delete", "--topic", &topics]).await?;
    Ok(())
}

/// Waits until every broker has forgotten the scenario's topic of this name, after its [prefix]. Kafka's tools ask any
/// broker, whichever pod they run in, so this looks at the folders: a broker renames those of a topic, to delete them,
/// once it tells nobody of it any more.
///
/// # Errors
/// If one has not within half a minute.
pub async fn topic_forgotten(scenario: &Scenario, name: &str) -> Result<()> {
    let partition = format!("{}{name}-0", prefix(scenario));
    for broker in 0..BROKERS.len() {
        let pod = format!("kafka-{broker}");
        let what = format!("{pod} has forgotten {name}");
        until(&what, Duration::from_secs(30), || async {
            let kept = kubectl(&["exec", "-n", NAMESPACE, &pod, "--", "ls", LOGS]).await?;
            let is_kept = kept.lines().any(|folder| folder == partition);
            Ok(Seen::when(!is_kept, (), &partition))
        })
        .await?;
    }
    Ok(())
}

/// One of Kafka's tools, in the pod of this broker.
async fn kafka(broker: u8, tool: &str, arguments: &[&str]) -> Result<String> {
    let pod = format!("kafka-{broker}");
    let command = ["exec", "-n", NAMESPACE, &pod, "--", "kafka", tool];
    let server = ["--bootstrap-server", "localhost:9092"];
    kubectl(&[&command[..], &server, arguments].concat()).await
}

/// What `--describe` says of each topic in its first line: `Topic: …`, `PartitionCount: …`, `Configs: …` and others, with
/// tabs between.
fn described(said: &str, prefix: &str) -> BTreeMap<String, Topic> {
    let topic = |line: &str| {
        let fields: BTreeMap<&str, &str> = line
            .split('\t')
            .filter_map(|field| field.split_once(": "))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let name = fields.get("Topic")?.strip_prefix(prefix)?;
        let partitions = fields.get("PartitionCount")?.parse().ok()?;
        let configs = fields.get("Configs").map_or("", |configs| configs);
        let configs = configs.split(',').filter_map(|one| one.split_once('='));
        let configs = configs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some((
            name.to_owned(),
            Topic {
                partitions,
                configs,
            },
        ))
    };
    said.lines().filter_map(topic).collect()
}

/// Runs `user-service` with these arguments in a pod of the service; what it prints.
///
/// # Errors
/// If it fails.
pub async fn in_service(scenario: &Scenario, arguments: &[&str]) -> Result<String> {
    let command = [
        "exec",
        "-n",
        &scenario.namespace,
        "deploy/users",
        "--",
        "user-service",
    ];
    kubectl(&[&command[..], arguments].concat()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_as_kafka_describes_them() {
        let said = "Topic: a.one\tTopicId: 7w\tPartitionCount: 3\tReplicationFactor: 3\tConfigs: retention.ms=60000,cleanup.policy=delete\n\
            \tTopic: a.one\tPartition: 0\tLeader: 1\tReplicas: 1,2,0\tIsr: 1,2,0\n\
            Topic: b.one\tTopicId: 7x\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: \n";
        let topics = described(said, "a.");
        assert_eq!(topics.len(), 1, "{topics:?}");
        assert_eq!(topics["one"].partitions, 3);
        assert_eq!(topics["one"].configs["retention.ms"], "60000");
        assert_eq!(topics["one"].configs.len(), 2);
        assert!(described(said, "b.")["one"].configs.is_empty());
    }
}
