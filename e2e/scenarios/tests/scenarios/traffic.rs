//! Calls under change, from a client on another node.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use scenarios::{
    Scenario,
    cluster::metric,
    kubectl::kubectl,
    load::{CONNECTIONS, Load, RATE},
    wait::{Seen, until},
};
use serde_json::json;
use user_settings::metric as names;

use crate::{scenario, tls::of_each_pod};

/// How long load goes on after a change, so that late failures show: longer than the 5 s that a call
/// may hang before it fails.
const AFTERMATH_S: f64 = 8.0;

/// What a pod may use of a processor: so little that it is at its limit long before this machine is.
const CPU_LIMIT: &str = "20m";
/// Calls begun each second to see how many are answered: more than such pods can. The client has as many of them in flight
/// as it may, and begins another one when one has ended.
const TOO_MANY: u32 = 5000;
/// Connections that calls go round over, so many that each pod gets its share.
const MANY_CONNECTIONS: u32 = 256;
/// How long answered calls are counted.
const COUNTED_S: f64 = 6.0;
/// Share of the time that a pod works which can do no more; it waits only while this machine holds up the client.
const AT_THE_LIMIT: f64 = 0.9;
/// Load during a rolling restart, in percent of what the pods can take.
const LOADED: u32 = 70;

/// Calls each second while a node is drained.
const DRAIN_RATE: u32 = 200;

/// `CreateUser` calls that each pod has answered.
async fn calls(s: &Scenario) -> Result<Vec<f64>> {
    let count = format!("{}_count", names::RPC_SERVER_CALL_DURATION);
    of_each_pod(s, &count, "CreateUser").await
}

/// The same since they were so many.
async fn calls_since(s: &Scenario, before: &[f64]) -> Result<Vec<f64>> {
    let now = calls(s).await?;
    Ok(now
        .iter()
        .zip(before)
        .map(|(now, before)| now - before)
        .collect())
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
        let pod = Load::pod(s, CONNECTIONS, RATE, &workers[1], &target, "round_robin")?;
        let (load, before) = load_on_every_pod(s, RATE, &pod).await?;
        load.after(15.0).await?.assert_no_call_failed()?;
        load.stop().await?;

        let counts = calls_since(s, &before).await?;
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

/// Load of which every pod takes calls, and those that they had answered before. The end of a pod that takes none proves
/// nothing. Connections that were made before the proxy or the names of the cluster knew all pods stay where they are, so
/// those are made anew.
async fn load_on_every_pod(s: &Scenario, rate: u32, pod: &Pod) -> Result<(Load, Vec<f64>)> {
    until("every pod takes calls", Duration::from_secs(60), || async {
        let before = calls(s).await?;
        let load = Load::run(s, rate, pod.clone()).await?;
        let taken = calls_since(s, &before).await?;
        if taken.contains(&0.0) {
            load.stop().await?;
            return Ok(Seen::NotYet(format!("{taken:?}")));
        }
        Ok(Seen::Yes((load, before)))
    })
    .await
}

/// How long a pod has worked so far, and when that was.
async fn worked(s: &Scenario, pod: &Pod) -> Result<(Instant, f64)> {
    let text = s.metrics(pod).await?;
    Ok((
        Instant::now(),
        metric(&text, "tokio_busy_seconds_total", ""),
    ))
}

/// How many calls the pods answer each second when there is always one more: as many as one does, for each.
async fn capacity(s: &Scenario, node: &str) -> Result<u32> {
    let pods = s.pods().await?;
    let one = pods.first().context("a pod")?;
    let address = one
        .status
        .as_ref()
        .and_then(|status| status.pod_ip.as_ref());
    let target = format!("{}:8080", address.context("an address")?);
    let load = Load::pod(s, MANY_CONNECTIONS, TOO_MANY, node, &target, "pick_first")?;
    let load = Load::run(s, TOO_MANY, load).await?;
    let bound = Duration::from_secs(45);
    let rate = until("a pod is at its limit", bound, || async {
        let (before, (began, worked_before)) = (load.after(0.0).await?, worked(s, one).await?);
        let after = load.after(COUNTED_S).await?;
        let (ended, worked) = worked(s, one).await?;
        let share = (worked - worked_before) / ended.duration_since(began).as_secs_f64();
        let rate = after.rate_since(&before)?;
        println!("{rate} calls/s are answered by a pod that works for {share:.2} of the time");
        Ok(Seen::when(share >= AT_THE_LIMIT, rate, share))
    })
    .await?;
    load.stop().await?;
    Ok(rate * u32::try_from(pods.len())?)
}

/// That pods whose limit is below one core work with one thread, however many cores their node has.
async fn assert_one_thread_each(s: &Scenario) -> Result<()> {
    for pod in s.pods().await? {
        let text = s.metrics(&pod).await?;
        let workers = text.lines().find(|line| line.starts_with("tokio_workers "));
        ensure!(workers == Some("tokio_workers 1"), "{workers:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rolling_restart_at_70_percent_of_what_the_pods_can_take_fails_no_call() {
    scenario("rollout", async |s| {
        let resources = json!({"requests": {"cpu": CPU_LIMIT}, "limits": {"cpu": CPU_LIMIT}});
        // Connections of a pod that ends go to those that are there: were the others still to be replaced, the last one
        // would have twice its share.
        let mut spec = json!({
            "replicas": 3,
            "pod": {"resources": resources},
            "rollout": {"maxSurge": "100%"},
        });
        s.ready_with(spec.clone()).await?;
        assert_one_thread_each(s).await?;
        let before = s.pod_uids().await?;
        let node = &s.cluster.workers().await?[1];
        let rate = capacity(s, node).await? * LOADED / 100;
        let pod = Load::pod(s, MANY_CONNECTIONS, rate, node, "users:8080", "pick_first")?;
        let (load, _) = load_on_every_pod(s, rate, &pod).await?;

        spec["server"] = json!({"maxConcurrentStreams": 128});
        s.ready_with(spec).await?;
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
        let pod = Load::pod(
            s,
            CONNECTIONS,
            DRAIN_RATE,
            other,
            "users:8080",
            "pick_first",
        )?;
        let (load, _) = load_on_every_pod(s, DRAIN_RATE, &pod).await?;

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
