//! Whom the pods may speak to, where the network enforces it.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, api::ListParams};
use scenarios::{
    Scenario,
    backing::{DATABASE, connect_to, durable},
    load::client_pod,
    once,
    wait::{Seen, until},
};
use serde_json::{Value, json};

use crate::scenario;

/// One call from a pod with this label.
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
    ];
    let mut pod = client_pod(pod, &s.cluster.client_image, None, &arguments)?;
    pod.metadata.labels = Some([("app".to_owned(), app.to_owned())].into());
    once::run(s, pod).await
}

#[tokio::test]
async fn only_named_clients_can_call_and_a_change_needs_no_new_pod() {
    scenario("clients", async |s| {
        let clients = |app: &str| json!({"network": {"clients": [{"pods": {"app": app}}]}});
        s.ready_with(clients("web")).await?;
        let before = s.pod_uids().await?;
        call(s, "web-1", "web").await?;
        let Err(refused) = call(s, "batch-1", "batch").await else {
            bail!("a pod that is not named could call");
        };
        ensure!(
            format!("{refused:#}").contains("DeadlineExceeded"),
            "{refused:#}"
        );

        s.ready_with(clients("batch")).await?;
        call(s, "batch-2", "batch").await?;
        ensure!(call(s, "web-2", "web").await.is_err(), "named no more");
        ensure!(s.pod_uids().await? == before, "the pods are the same");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pods_reach_what_the_spec_names_and_nothing_else() {
    scenario("egress", async |s| {
        connect_to(s, DATABASE).await?;
        let with_network = |network: Value| {
            let mut spec = durable(s);
            spec["network"] = network;
            spec
        };
        let elsewhere = json!({"mongodb": {"peers": [{"pods": {"app": "nowhere"}}]}});
        s.apply(with_network(elsewhere)).await?;
        until(
            "a preparation has failed",
            Duration::from_secs(120),
            || async {
                let jobs: Api<Job> = Api::namespaced(s.client(), &s.namespace);
                let jobs = jobs.list(&ListParams::default()).await?.items;
                let failed = jobs.iter().filter_map(|job| job.status.as_ref()?.failed);
                Ok(Seen::when(failed.sum::<i32>() > 0, (), &jobs))
            },
        )
        .await?;
        s.ready_with(with_network(json!({}))).await?;
        call(s, "caller", "any").await?;
        Ok(())
    })
    .await;
}
