//! The real servers beside the cluster's own parts: Kafka, the schema registry, the database, and faults in front of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    Scenario,
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
/// The registry's Confluent API.
pub const REGISTRY: &str = "http://registry.backing:8080/apis/ccompat/v7";
/// The Secret with the connection string, in a scenario's namespace.
pub const CONNECTION: &str = "users-mongodb";
/// The database.
pub const DATABASE: &str = "mongodb://mongodb-0.mongodb.backing:27017/?replicaSet=rs0";
/// The database, past the faults.
pub const FAULTY_DATABASE: &str = "mongodb://mongodb-faults.backing:27017/?directConnection=true";

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
        let behind = kubectl(&[
            "exec",
            "-n",
            NAMESPACE,
            &name,
            "--",
            "kafka",
            "topics",
            "--bootstrap-server",
            "localhost:9092",
            "--describe",
            "--under-replicated-partitions",
        ])
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
    let tool = ["exec", "-n", NAMESPACE, "kafka-0", "--", "kafka", "configs"];
    let which = [
        "--bootstrap-server",
        "localhost:9092",
        "--alter",
        "--entity-type",
        "topics",
        "--entity-name",
        topic,
    ];
    kubectl(&[&tool[..], &which, change].concat()).await?;
    Ok(())
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

async fn kubectl(arguments: &[&str]) -> Result<String> {
    let output = Command::new("kubectl")
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .context("kubectl")?;
    ensure!(
        output.status.success(),
        "kubectl {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
