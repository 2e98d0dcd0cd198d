//! The API server throttles, fails, loses answers and restarts.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use scenarios::{
    Scenario,
    chance::Chance,
    load::{Load, RATE},
    release::run_operators,
    signal::signal,
    wait::{Seen, until},
    weather::{Operator, Way, Weather},
};
use serde_json::json;

use crate::scenario;

/// What the API server asks for while it throttles.
const RETRY_AFTER: Duration = Duration::from_secs(4);
/// Requests of one pass, which are sent side by side, come this close together.
const ONE_PASS: Duration = Duration::from_secs(1);
/// Bound for the API server to be back, and the operator with it.
const BACK: Duration = Duration::from_secs(120);
/// How long load goes on after the last change, so that late failures show.
const AFTERMATH_S: f64 = 5.0;

/// Runs the body with an operator beside the cluster that works in the scenario's namespace, while
/// that in the cluster is away.
async fn beside(
    s: &Scenario,
    body: impl AsyncFnOnce(&Way, &mut Operator) -> Result<()>,
) -> Result<()> {
    run_operators(s, 0).await?;
    let outcome = async {
        let way = Way::open(s.client(), Chance::from_environment()?).await?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut operator = Operator::start(s, &way, folder)?;
        body(&way, &mut operator).await?;
        operator.is_running()
    };
    let outcome = outcome.await;
    run_operators(s, 2).await?;
    outcome
}

#[tokio::test]
async fn a_resource_becomes_what_it_says_however_the_api_server_fails_meanwhile() {
    scenario("storm", async |s| {
        beside(s, async |way, operator| {
            way.becomes(Weather::Storm);
            s.ready_with(json!({"replicas": 1})).await?;
            for streams in [11, 22] {
                let spec = json!({"replicas": 2, "server": {"maxConcurrentStreams": streams}});
                s.ready_with(spec).await?;
                operator.is_running()?;
            }
            s.apply_as("other", json!({"replicas": 0})).await?;
            s.ready_as("other").await?;
            s.resources()
                .delete("other", &DeleteParams::default())
                .await?;
            s.ready_with(json!({"replicas": 3})).await?;
            way.becomes(Weather::Clear);
            s.ready_with(json!({"replicas": 2, "disruption": {"maxUnavailable": 1}}))
                .await?;
            let services: Api<Service> = Api::namespaced(s.client(), &s.namespace);
            until("the other is gone", BACK, || async {
                let left = services.get_opt("other").await?;
                Ok(Seen::when(left.is_none(), (), left))
            })
            .await?;
            let faults = way.faults();
            println!("faults: {faults:?}");
            ensure!(
                faults.len() == 4 && faults.values().all(|count| *count > 1),
                "too few to judge: {faults:?}"
            );
            Ok(())
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn an_api_server_that_throttles_is_left_alone_for_as_long_as_it_says() {
    scenario("throttle", async |s| {
        beside(s, async |way, _| {
            s.ready_with(json!({"replicas": 0})).await?;
            way.becomes(Weather::Throttled(RETRY_AFTER));
            s.apply(json!({"replicas": 1})).await?;
            until("it was asked three times", BACK, || async {
                let refused = way.refused();
                let rounds = refused
                    .windows(2)
                    .filter(|pair| pair[1] - pair[0] > ONE_PASS)
                    .count();
                Ok(Seen::when(rounds >= 2, (), rounds))
            })
            .await?;
            way.becomes(Weather::Clear);
            let refused = way.refused();
            let gaps: Vec<f64> = refused
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).as_secs_f64())
                .filter(|gap| *gap > ONE_PASS.as_secs_f64())
                .collect();
            println!("{} requests refused, pauses {gaps:.2?}", refused.len());
            ensure!(
                gaps.iter().all(|gap| *gap >= RETRY_AFTER.as_secs_f64()),
                "asked too early: {gaps:?}"
            );
            s.ready().await.map(drop)
        })
        .await
    })
    .await;
}

/// The API server's own pod, under the UID by which the kubelet runs it: the API shows a mirror.
async fn api_server(s: &Scenario) -> Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(s.client(), "kube-system");
    let params = ListParams::default().labels("component=kube-apiserver");
    let mut pod = pods.list(&params).await?.items.pop().context("a pod")?;
    pod.metadata.uid = pod.annotations().get("kubernetes.io/config.hash").cloned();
    Ok(pod)
}

#[tokio::test]
async fn the_api_server_restarts_and_no_call_fails_and_changes_are_followed_again() {
    scenario("apiserver", async |s| {
        s.ready_with(json!({})).await?;
        let before = s.pod_uids().await?;
        let workers = s.cluster.workers().await?;
        let load = Load::start(s, RATE, &workers[1], "users:8080", "pick_first").await?;
        signal(&api_server(s).await?, "kube-apiserver", "KILL").await?;
        until("the API server answers", BACK, || async {
            let answer = s.resources().get("users").await;
            Ok(match answer {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::NotYet(error.to_string()),
            })
        })
        .await?;
        s.ready_with(json!({"replicas": 3})).await?;
        let after = s.pod_uids().await?;
        ensure!(before.is_subset(&after), "{before:?} became {after:?}");
        load.after(AFTERMATH_S).await?.assert_no_call_failed()?;
        run_operators(s, 2).await
    })
    .await;
}
