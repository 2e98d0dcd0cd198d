//! The operator is uninstalled, and comes back.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::{ResourceExt, api::DeleteParams};
use scenarios::{
    Scenario,
    backing::{self, BROKERS, delete_topics, topics},
    cluster::OPERATOR,
    kubectl::kubectl,
    load::{Load, RATE},
    release::{LABEL, install, uninstall},
    wait::{Seen, until},
};
use serde_json::json;

use crate::scenario;

/// Another name than the bed's.
const OTHER_RELEASE: &str = "users-platform";
/// How long load goes on after the last change, so that late failures show.
const AFTERMATH_S: f64 = 5.0;
const GONE: Duration = Duration::from_secs(60);
/// Kinds of everything that the chart installs but the definition, which stays.
const INSTALLED: &str = "deployments,serviceaccounts,services,configmaps,secrets,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,networkpolicies";

async fn is_gone(s: &Scenario, name: &str) -> Result<()> {
    until(&format!("{name} is gone"), GONE, || async {
        let left = s.resources().get_opt(name).await?;
        Ok(Seen::when(left.is_none(), (), left))
    })
    .await
}

#[tokio::test]
async fn services_outlive_an_uninstall_and_a_release_of_another_name_takes_them_up() {
    scenario("removal", async |s| {
        s.ready_with(json!({})).await?;
        s.apply_as("plain", json!({"replicas": 0})).await?;
        let with_topics = json!({
            "replicas": 0,
            "events": {"kafka": {
                "bootstrapServers": BROKERS,
                "topicPrefix": backing::prefix(s),
                "topics": {"reclaimPolicy": "Delete"},
            }},
        });
        s.apply_as("holding", with_topics).await?;
        s.ready_as("plain").await?;
        s.ready_as("holding").await?;
        let before = s.pod_uids().await?;
        let workers = s.cluster.workers().await?;
        let load = Load::start(s, RATE, &workers[1], "users:8080", "pick_first").await?;

        let outcome = async {
            uninstall(OPERATOR).await?;
            without_the_operator(s).await?;
            install(OTHER_RELEASE, None).await?;
            s.ready_with(json!({"replicas": 3})).await?;
            let after = s.pod_uids().await?;
            ensure!(before.is_subset(&after), "{before:?} became {after:?}");
            load.after(AFTERMATH_S).await?.assert_no_call_failed()
        };
        let outcome = outcome.await;
        uninstall(OTHER_RELEASE).await?;
        install(OPERATOR, None).await?;
        outcome
    })
    .await;
}

async fn without_the_operator(s: &Scenario) -> Result<()> {
    let left = kubectl(&["get", INSTALLED, "-A", "-o", "name", "-l", LABEL]).await?;
    ensure!(left.trim().is_empty(), "left behind: {left}");
    kubectl(&["get", "crd", "userservices.usersvc.dev"]).await?;

    let delete = DeleteParams::default();
    s.resources().delete("plain", &delete).await?;
    is_gone(s, "plain").await?;

    s.resources().delete("holding", &delete).await?;
    let holding = s.resources().get("holding").await?;
    ensure!(
        holding.finalizers() == [operator_api::TOPICS_FINALIZER],
        "held for its topics: {:?}",
        holding.finalizers()
    );
    // As the documentation says it.
    let free = r#"{"metadata":{"finalizers":null}}"#;
    kubectl(&[
        "patch",
        "userservice",
        "holding",
        "--namespace",
        &s.namespace,
        "--type=merge",
        "-p",
        free,
    ])
    .await?;
    is_gone(s, "holding").await?;
    ensure!(!topics(s).await?.is_empty(), "nobody deleted its topics");
    delete_topics(s, ".*").await
}
