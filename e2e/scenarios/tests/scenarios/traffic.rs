//! Calls under change, from a client on another node.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use scenarios::{
    Scenario,
    cluster::metric,
    kubectl::kubectl,
    load::{Load, RATE},
    wait::{Seen, until},
};
use serde_json::json;
use user_settings::{ADMIN_PORT, metric as names, path};

use crate::scenario;

/// How long load goes on after a change, so that late failures show: longer than the 5 s that a call
/// may hang before it fails.
const AFTERMATH_S: f64 = 8.0;

/// Calls each second while a node is drained.
const DRAIN_RATE: u32 = 200;

/// `CreateUser` calls that the pod has answered.
async fn calls(s: &Scenario, pod: &Pod) -> Result<f64> {
    let text = s
        .cluster
        .pod_get(&s.namespace, &pod.name_any(), ADMIN_PORT, path::METRICS)
        .await?;
    let count = format!("{}_count", names::RPC_SERVER_CALL_DURATION);
    Ok(metric(&text, &count, "CreateUser"))
}

#[tokio::test]
async fn calls_over_the_headless_service_spread_over_the_pods_within_20_percent() {
    scenario("spread", async |s| {
        s.ready_with(json!({"replicas": 3})).await?;
        let workers = s.cluster.workers().await?;
        let target = format!(
            "dns:///users-headless.{}.svc.cluster.local:8080",
            s.namespace
        );
        let load = Load::start(s, RATE, &workers[1], &target, "round_robin").await?;
        load.after(15.0).await?.assert_no_call_failed()?;

        let mut counts = Vec::new();
        for pod in s.pods().await? {
            counts.push(calls(s, &pod).await?);
        }
        println!("calls by pod: {counts:?}");
        let mean = counts.iter().sum::<f64>() / 3.0;
        ensure!(mean > 200.0, "too few calls to judge: {counts:?}");
        ensure!(
            counts
                .iter()
                .all(|count| (count - mean).abs() <= 0.2 * mean),
            "uneven: {counts:?}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn changing_a_setting_rolls_the_pods_and_no_call_fails_meanwhile() {
    scenario("rollout", async |s| {
        s.ready_with(json!({})).await?;
        let before = s.pod_uids().await?;
        let workers = s.cluster.workers().await?;
        let load = Load::start(s, RATE, &workers[1], "users:8080", "pick_first").await?;

        s.ready_with(json!({"server": {"maxConcurrentStreams": 128}}))
            .await?;
        s.pods_gone(&before).await?;
        load.after(AFTERMATH_S).await?.assert_no_call_failed()?;

        let maps: Api<ConfigMap> = Api::namespaced(s.client(), &s.namespace);
        let ours = ListParams::default().labels("app.kubernetes.io/instance=users");
        let maps = maps.list(&ours).await?.items;
        let mut streams: Vec<String> = maps
            .into_iter()
            .filter_map(|map| map.data?.remove("USERSVC_MAX_CONCURRENT_STREAMS"))
            .collect();
        streams.sort();
        ensure!(
            streams == ["128", "256"],
            "the former settings are kept for a rollback: {streams:?}"
        );
        Ok(())
    })
    .await;
}

/// Load of which every pod takes calls: the end of one that takes none proves nothing. Connections that were made
/// before the proxy of the node knew all pods stay where they are, so those are made anew.
async fn load_on_every_pod(s: &Scenario, node: &str) -> Result<Load> {
    until("every pod takes calls", Duration::from_secs(60), || async {
        let load = Load::start(s, DRAIN_RATE, node, "users:8080", "pick_first").await?;
        for pod in s.pods().await? {
            if calls(s, &pod).await? == 0.0 {
                load.stop().await?;
                return Ok(Seen::NotYet(format!("{} takes none", pod.name_any())));
            }
        }
        Ok(Seen::Yes(load))
    })
    .await
}

#[tokio::test]
async fn draining_a_node_fails_no_call() {
    scenario("drain", async |s| {
        s.ready_with(json!({})).await?;
        let workers = s.cluster.workers().await?;
        let (drained, other) = (&workers[0], &workers[1]);
        let nodes: BTreeSet<String> = nodes_of(s).await?;
        ensure!(
            nodes.contains(drained),
            "pods are spread over the workers, found {nodes:?}"
        );
        let load = load_on_every_pod(s, other).await?;

        let outcome = drain(s, drained).await;
        let uncordon = json!({"spec": {"unschedulable": null}});
        let api: Api<Node> = Api::all(s.client());
        api.patch(drained, &PatchParams::default(), &Patch::Merge(&uncordon))
            .await?;
        outcome?;
        load.after(AFTERMATH_S).await?.assert_no_call_failed()
    })
    .await;
}

async fn nodes_of(s: &Scenario) -> Result<BTreeSet<String>> {
    Ok(s.pods()
        .await?
        .into_iter()
        .filter_map(|pod| pod.spec?.node_name)
        .collect())
}

/// Drains the node as an administrator does, and waits until all pods run elsewhere.
async fn drain(s: &Scenario, node: &str) -> Result<()> {
    kubectl(&[
        "drain",
        node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--force",
        "--timeout=150s",
    ])
    .await?;
    s.ready().await?;
    let nodes = nodes_of(s).await?;
    ensure!(!nodes.contains(node), "a pod is still on {node}");
    Ok(())
}
