//! What the chart does beside an installation: its own proof, its network policy, and the way to another chart and back.

use std::{cell::Cell, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt, api::ListParams};
use operator_api::{UserService, condition::reason::KAFKA_UNREACHABLE};
use scenarios::{
    Scenario,
    backing::{self, BROKERS},
    cluster::{OPERATOR, OPERATOR_NAMESPACE},
    kubectl::{helm, kubectl},
    release::install,
    wait::{Seen, until},
};
use serde_json::{Value, json};

use crate::scenario;

/// What the account of the test works by.
const RIGHTS: &str = "serviceaccounts,roles,rolebindings";

/// The package of the chart before this one; there is one alone.
fn previous() -> Result<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/previous");
    let mut packages = std::fs::read_dir(folder)?;
    let package = packages.next().context("no previous chart")??;
    ensure!(packages.next().is_none(), "more than one previous chart");
    Ok(package.path().to_string_lossy().into_owned())
}

/// Name and version of the chart that is installed.
async fn installed() -> Result<String> {
    let releases = helm(&["list", "--filter", OPERATOR, "--output", "json"]).await?;
    let releases: Value = serde_json::from_str(&releases)?;
    let chart = releases.pointer("/0/chart").and_then(Value::as_str);
    Ok(chart.context("no release")?.to_owned())
}

#[tokio::test]
async fn helm_test_shows_admission_a_resource_that_becomes_ready_and_its_end() {
    scenario("helmtest", async |s| {
        let said = helm(&["test", OPERATOR, "--logs", "--timeout", "140s"]).await?;
        for step in [
            "ok: a broken resource is refused: ",
            "min must not exceed max",
            " is ready at ",
            " is gone and its Deployment with it",
        ] {
            ensure!(said.contains(step), "{step} is missing: {said}");
        }
        let all = kubectl(&["get", RIGHTS, "-n", OPERATOR_NAMESPACE, "-o", "name"]).await?;
        ensure!(!all.contains("-verify"), "rights are left behind: {all}");
        let resources: Api<UserService> = Api::namespaced(s.client(), OPERATOR_NAMESPACE);
        let left = resources.list(&ListParams::default()).await?.items.len();
        ensure!(left == 0, "{left} resources are left behind");
        let pod = format!("{OPERATOR}-verify");
        kubectl(&["delete", "pod", "-n", OPERATOR_NAMESPACE, &pod]).await?;
        Ok(())
    })
    .await;
}

async fn definition(s: &Scenario) -> Result<Option<String>> {
    let definitions: Api<CustomResourceDefinition> = Api::all(s.client());
    Ok(definitions.get("userservices.usersvc.dev").await?.uid())
}

/// The operator of this chart acts upon a change, and no pod is another.
async fn serves(s: &Scenario, pods_away: u8) -> Result<()> {
    let before = s.pod_uids().await?;
    s.ready_with(json!({"disruption": {"maxUnavailable": pods_away}}))
        .await?;
    ensure!(s.pod_uids().await? == before, "pods were replaced");
    Ok(())
}

#[tokio::test]
async fn the_previous_chart_is_upgraded_and_gone_back_to_and_services_run_on() {
    scenario("chart", async |s| {
        let previous = previous()?;
        s.ready_with(json!({})).await?;
        let pods = s.pod_uids().await?;
        let uid = definition(s).await?;
        let current = installed().await?;
        let outcome = async {
            helm(&[
                "upgrade",
                OPERATOR,
                &previous,
                "--reset-then-reuse-values",
                "--wait",
                "--timeout=120s",
            ])
            .await?;
            let back = installed().await?;
            ensure!(previous.contains(&back), "{back} is installed");
            ensure!(back != current, "the previous chart is this one");
            serves(s, 2).await
        };
        let outcome = outcome.await;
        install(OPERATOR, None).await?;
        outcome?;
        ensure!(installed().await? == current, "this chart is back");
        serves(s, 3).await?;
        ensure!(s.pod_uids().await? == pods, "pods were replaced");
        ensure!(definition(s).await? == uid, "the definition was made anew");
        Ok(())
    })
    .await;
}

/// Lets the operator reach DNS, the API server and what the rules say.
async fn limit(rules: Value) -> Result<()> {
    let policy = json!({"egress": {"enabled": true, "rules": rules}});
    install(OPERATOR, Some(("networkPolicy", policy))).await
}

fn with_kafka(s: &Scenario, pods_away: u8) -> Value {
    json!({
        "replicas": 0,
        "disruption": {"maxUnavailable": pods_away},
        "events": {"kafka": {
            "bootstrapServers": BROKERS,
            "topicPrefix": backing::prefix(s),
            "topics": {"reclaimPolicy": "Delete"},
        }},
    })
}

/// The network learns of a policy a moment later, so each look is at another pass.
async fn is_cut_off_from_kafka(s: &Scenario) -> Result<()> {
    let passes = Cell::new(0);
    let bound = Duration::from_secs(60);
    until("the operator is cut off from Kafka", bound, || async {
        passes.set(passes.get() % 90 + 1);
        let resource = s.apply(with_kafka(s, passes.get())).await?;
        let status = resource.status.unwrap_or_default();
        let mut reasons = status.conditions.iter().map(|condition| &condition.reason);
        let is_cut_off = reasons.any(|reason| reason == KAFKA_UNREACHABLE);
        Ok(Seen::when(is_cut_off, (), &status.conditions))
    })
    .await
}

#[tokio::test]
async fn with_limited_egress_the_operator_reaches_the_brokers_that_are_named_and_no_others() {
    scenario("egress", async |s| {
        let outcome = async {
            limit(json!([])).await?;
            is_cut_off_from_kafka(s).await?;
            let brokers = json!({"matchLabels": {"kubernetes.io/metadata.name": "backing"}});
            let to = json!([{"namespaceSelector": brokers}]);
            limit(json!([{"to": to, "ports": [{"port": 9092}]}])).await?;
            s.ready().await
        };
        let outcome = outcome.await;
        install(OPERATOR, None).await?;
        outcome.map(drop)
    })
    .await;
}
