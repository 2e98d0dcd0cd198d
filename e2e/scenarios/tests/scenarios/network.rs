//! Whom the pods may speak to, where the network enforces it.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use scenarios::{
    Scenario,
    backing::{BROKERS, DATABASE, REGISTRY, connect_to, durable, prefix},
    load::{client_pod, last_line},
    once,
    wait::{Seen, until},
};
use serde_json::{Value, json};

use crate::scenario;

/// Name of the pod that tries to reach something.
const PROBE: &str = "probe";

/// One call from a pod with this label. It tries to connect for as long as the call may take: the network lets a pod
/// through by its labels only once it knows the pod's address.
async fn call(s: &Scenario, pod: &str, app: &str) -> Result<String> {
    let email = format!("{pod}@example.com");
    let arguments = [
        "demo",
        "--target",
        "users:8080",
        "--name",
        "Ada",
        "--email",
        &email,
        "--wait",
    ];
    let mut pod = client_pod(pod, &s.cluster.client_image, None, &arguments)?;
    pod.metadata.labels = Some([("app".to_owned(), app.to_owned())].into());
    once::run(s, pod).await
}

/// Fails unless the call found no connection in all its time.
fn refused(call: Result<String>) -> Result<()> {
    let Err(error) = call else {
        bail!("who is not named could call");
    };
    let said = format!("{error:#}");
    ensure!(said.contains("DeadlineExceeded"), "{said}");
    Ok(())
}

#[tokio::test]
async fn only_named_clients_can_call_and_a_change_needs_no_new_pod() {
    scenario("clients", async |s| {
        let clients = |app: &str| json!({"network": {"clients": [{"pods": {"app": app}}]}});
        s.ready_with(clients("web")).await?;
        let before = s.pod_uids().await?;
        call(s, "web-1", "web").await?;
        refused(call(s, "batch-1", "batch").await)?;

        s.ready_with(clients("batch")).await?;
        call(s, "batch-2", "batch").await?;
        refused(call(s, "web-2", "web").await)?;
        ensure!(s.pod_uids().await? == before, "the pods are the same");
        Ok(())
    })
    .await;
}

/// Starts a pod that the policy of `users` takes for one that prepares, and that tries to reach `other` each second.
async fn start_probe(s: &Scenario) -> Result<()> {
    let arguments = ["probe", "--target", "other:8080"];
    let mut pod = client_pod(PROBE, &s.cluster.client_image, None, &arguments)?;
    let labels = [
        ("app.kubernetes.io/name", "user-service-prepare"),
        ("app.kubernetes.io/instance", "users"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    pod.metadata.labels = Some(labels.into());
    let pods: Api<Pod> = Api::namespaced(s.client(), &s.namespace);
    pods.create(&PostParams::default(), &pod).await?;
    Ok(())
}

/// Waits until what the probe tried last came out so.
async fn probed(s: &Scenario, outcome: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(s.client(), &s.namespace);
    let what = format!("other is {outcome}");
    until(&what, Duration::from_secs(60), || async {
        let said = last_line(&pods, PROBE).await?.unwrap_or_default();
        Ok(Seen::when(said.starts_with(outcome), (), said))
    })
    .await
}

/// A service that no policy is about.
async fn another_service(s: &Scenario) -> Result<()> {
    let other = json!({
        "apiVersion": "usersvc.dev/v1alpha1",
        "kind": "UserService",
        "metadata": {"name": "other"},
        "spec": {"replicas": 1},
    });
    let params = PatchParams::apply("scenario");
    s.resources()
        .patch("other", &params, &Patch::Apply(other))
        .await?;
    until("other is ready", Duration::from_secs(120), || async {
        let status = s.resources().get("other").await?.status;
        let available = status.as_ref().map(|status| status.available_replicas);
        Ok(Seen::when(available == Some(1), (), status))
    })
    .await
}

#[tokio::test]
async fn pods_reach_what_is_named_and_nothing_else() {
    scenario("egress", async |s| {
        let to = |pods: Value| json!({"network": {"egress": [{"peers": [{"pods": pods}], "ports": [8080]}]}});
        another_service(s).await?;
        s.ready_with(json!({})).await?;
        start_probe(s).await?;
        probed(s, "reached").await?;
        s.ready_with(json!({"network": {}})).await?;
        probed(s, "refused").await?;
        s.ready_with(to(json!({}))).await?;
        probed(s, "reached").await?;
        s.ready_with(to(json!({"app": "elsewhere"}))).await?;
        probed(s, "refused").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn database_and_kafka_of_the_spec_are_reached_without_being_named_again() {
    scenario("needs", async |s| {
        connect_to(s, DATABASE).await?;
        let mut spec = durable(s);
        spec["network"] = json!({});
        s.ready_with(spec).await?;
        call(s, "caller", "any").await?;
        let created = format!("{}user.created", prefix(s));
        let arguments = [
            "events",
            "--brokers",
            &BROKERS.join(","),
            "--topics",
            &created,
            "--registry",
            REGISTRY,
            "--until-count",
            "1",
        ];
        let events = once::client(s, "reader", &arguments).await?;
        ensure!(events.contains("caller@example.com"), "{events}");
        Ok(())
    })
    .await;
}
