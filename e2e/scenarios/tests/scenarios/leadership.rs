//! One operator leads, another takes over, and only one of them writes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use scenarios::{
    Scenario,
    audit::{Audit, Entry},
    cluster::{OPERATOR_NAMESPACE, OPERATOR_PROCESS},
    signal::signal,
    wait::{Seen, until},
};
use serde_json::json;

use crate::scenario;

/// How long the Lease of a dead leader lasts, and what its successor may need on top.
const LEASE: Duration = Duration::from_secs(15 + 2);
/// Longer than the kubelet lets a process be that does not answer its probe.
const LONG_FROZEN: Duration = Duration::from_secs(40);
/// A stop of a leader: much less than its Lease would last, and time for the kubelet to send the signal.
const STOP: Duration = Duration::from_secs(5);

fn operators(s: &Scenario) -> Api<Pod> {
    Api::namespaced(s.client(), OPERATOR_NAMESPACE)
}

async fn leader(s: &Scenario) -> Result<Pod> {
    let name = s.cluster.leader().await?.context("an operator leads")?;
    Ok(operators(s).get(&name).await?)
}

/// Both operators have filled caches, so that one of them can follow.
async fn both_ready(s: &Scenario) -> Result<()> {
    until(
        "two operators are ready",
        Duration::from_secs(60),
        || async {
            let pods = operators(s).list(&ListParams::default()).await?;
            let ready = |pod: &&Pod| {
                pod.metadata.deletion_timestamp.is_none()
                    && pod
                        .status
                        .iter()
                        .flat_map(|status| status.conditions.iter().flatten())
                        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            };
            let count = pods.iter().filter(ready).count();
            Ok(Seen::when(count >= 2, (), count))
        },
    )
    .await
}

/// Waits until the Lease names another pod or process than `holder`.
async fn followed(s: &Scenario, holder: &str, bound: Duration) -> Result<Duration> {
    let start = Instant::now();
    until("another leads", bound, || async {
        let now = s.cluster.lease_holder().await?.unwrap_or_default();
        Ok(Seen::when(!now.is_empty() && now != holder, (), now))
    })
    .await?;
    Ok(start.elapsed())
}

#[tokio::test]
async fn a_stopped_leader_is_followed_at_once_and_a_killed_one_when_its_lease_ends() {
    scenario("follow", async |s| {
        both_ready(s).await?;
        let holder = s.cluster.lease_holder().await?.context("a holder")?;
        let old = s.cluster.leader().await?.context("a leader")?;
        operators(s).delete(&old, &DeleteParams::default()).await?;
        let took = followed(s, &holder, STOP).await?;
        println!("stopped: followed after {:.1} s", took.as_secs_f64());

        both_ready(s).await?;
        let holder = s.cluster.lease_holder().await?.context("a holder")?;
        signal(&leader(s).await?, OPERATOR_PROCESS, "KILL").await?;
        let took = followed(s, &holder, LEASE).await?;
        println!("killed: followed after {:.1} s", took.as_secs_f64());
        s.ready_with(json!({})).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn resources_become_what_they_say_however_often_the_leader_crashes() {
    scenario("crashes", async |s| {
        s.ready_with(json!({"replicas": 1})).await?;
        let kept = s.pod_uids().await?;
        for round in 1..=3 {
            both_ready(s).await?;
            s.cluster.crash_leader().await?;
            // Some of it is seen by a leader that has just come, some by nobody for a while.
            let name = format!("new-{round}");
            s.apply_as(&name, json!({"replicas": 0})).await?;
            s.apply(json!({"replicas": 1 + round, "disruption": {"maxUnavailable": round}}))
                .await?;
            s.ready_as(&name).await?;
            s.ready().await?;
            s.resources()
                .delete(&name, &DeleteParams::default())
                .await?;
        }
        let pods = s.pod_uids().await?;
        ensure!(kept.is_subset(&pods), "{kept:?} became {pods:?}");
        ensure!(pods.len() == 4, "{pods:?}");
        both_ready(s).await
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_was_frozen_past_its_lease_writes_nothing() {
    scenario("frozen", async |s| {
        s.ready_with(json!({})).await?;
        // The first wakes as if nothing had been. The kubelet has told the second one meanwhile to end.
        for least in [Duration::ZERO, LONG_FROZEN] {
            writes_nothing(s, least)
                .await
                .with_context(|| format!("frozen for {least:?}"))?;
        }
        Ok(())
    })
    .await;
}

/// Freezes the leader until another one leads, and for this long at least.
async fn writes_nothing(s: &Scenario, least: Duration) -> Result<()> {
    let Some(log) = &s.cluster.audit_log else {
        bail!("no audit log: this scenario needs the bed's own cluster (BED_AUDIT_LOG)");
    };
    both_ready(s).await?;
    let holder = s.cluster.lease_holder().await?.context("a holder")?;
    let frozen = leader(s).await?;
    let name = frozen.metadata.name.clone().unwrap_or_default();
    signal(&frozen, OPERATOR_PROCESS, "STOP").await?;
    let since = tokio::time::Instant::now();
    let audit = Audit::from_now(log)?;
    // There is something to write when it wakes up.
    let outcome = async {
        s.apply(json!({"replicas": 1})).await?;
        followed(s, &holder, LEASE).await?;
        s.ready().await
    }
    .await;
    tokio::time::sleep_until(since + least).await;
    println!("frozen for {:.1} s", since.elapsed().as_secs_f64());
    signal(&frozen, OPERATOR_PROCESS, "CONT").await?;
    outcome?;
    s.ready_with(json!({"replicas": 3})).await?;
    both_ready(s).await?;

    let writes = audit.operator_writes()?;
    let by_frozen: Vec<String> = writes
        .iter()
        .filter(|entry| entry.is_by(&name) && !entry.is_election())
        .map(Entry::summary)
        .collect();
    ensure!(by_frozen.is_empty(), "written by {name}: {by_frozen:?}");
    let next = s.cluster.leader().await?.context("a leader")?;
    ensure!(
        writes
            .iter()
            .any(|entry| entry.is_by(&next) && !entry.is_election()),
        "the judge sees who writes"
    );
    Ok(())
}
