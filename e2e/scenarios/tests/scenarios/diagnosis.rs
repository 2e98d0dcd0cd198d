//! A pod that does not take calls is told of in the status: which, why, and what to do.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ContainerState, Event, Pod, ResourceQuota},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use scenarios::{
    Scenario,
    wait::{Seen, until},
};
use serde_json::{Value, json};

use crate::scenario;

/// Bound for the kubelet or the scheduler to know.
const KNOWN: Duration = Duration::from_secs(60);
/// Bound for a rollout that has one minute to be told as stuck.
const DEADLINE: Duration = Duration::from_secs(90);
/// Bound for the status to say so, from then on.
const TOLD: Duration = Duration::from_secs(5);

/// Applies `spec`, waits until a pod is as `shows` says, and then for a status that names that pod
/// and says `words`.
async fn told(
    s: &Scenario,
    spec: Value,
    shows: impl Fn(&Pod) -> bool,
    words: &[&str],
) -> Result<()> {
    s.apply(spec).await?;
    until("a pod is in trouble", KNOWN, || async {
        let pods = s.pods().await?;
        let troubled = pods.iter().any(&shows);
        Ok(Seen::when(
            troubled,
            (),
            pods.iter().map(|pod| &pod.status).collect::<Vec<_>>(),
        ))
    })
    .await?;
    let start = Instant::now();
    until("the status says so", TOLD, || async {
        let resource = s.resources().get("users").await?;
        let status = resource.status.unwrap_or_default();
        let says = |type_: &str| {
            status.conditions.iter().any(|condition| {
                condition.type_ == type_
                    && condition.message.contains("Pod users-")
                    && words.iter().all(|word| condition.message.contains(word))
            })
        };
        Ok(Seen::when(
            says("Ready") && says("Reconciling"),
            (),
            &status.conditions,
        ))
    })
    .await?;
    println!(
        "{words:?}: told within {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn container(pod: &Pod) -> Option<ContainerState> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    status.state.clone()
}

fn waits_for(pod: &Pod, reasons: &[&str]) -> bool {
    container(pod)
        .and_then(|state| state.waiting?.reason)
        .is_some_and(|reason| reasons.contains(&reason.as_str()))
}

#[tokio::test]
async fn a_pod_in_trouble_is_named_with_reason_and_next_step_while_the_old_pods_serve_on() {
    scenario("diagnosis", async |s| {
        s.ready_with(json!({})).await?;
        let spec = json!({"image": "registry.invalid/users:1"});
        let pull = ["ErrImagePull", "ImagePullBackOff"];
        told(
            s,
            spec,
            |pod| waits_for(pod, &pull),
            &[
                "ImagePullBackOff",
                "container user-service",
                "registry.invalid/users:1",
            ],
        )
        .await?;

        // Its command line wants a verb that the service does not have, and so it ends.
        let spec = json!({"image": s.cluster.client_image});
        let ended = |pod: &Pod| {
            waits_for(pod, &["CrashLoopBackOff"])
                || container(pod).is_some_and(|state| state.terminated.is_some())
        };
        told(
            s,
            spec,
            ended,
            &[
                "CrashLoopBackOff",
                "container user-service",
                "kubectl logs",
                "--previous",
            ],
        )
        .await?;

        let cores = json!({"cpu": "1000", "memory": "64Mi"});
        let spec = json!({
            "pod": {"resources": {"requests": cores, "limits": cores}},
            "rollout": {"progressDeadline": "1m"},
        });
        let unschedulable = |pod: &Pod| {
            pod.status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten())
                .any(|condition| condition.reason.as_deref() == Some("Unschedulable"))
        };
        told(
            s,
            spec,
            unschedulable,
            &[
                "Unschedulable",
                "Insufficient cpu",
                "spec.pod.resources.requests",
            ],
        )
        .await?;

        let status = until("the deadline has passed", DEADLINE, || async {
            let resource = s.resources().get("users").await?;
            let status = resource.status.unwrap_or_default();
            let is_stuck = status.conditions.iter().any(|condition| {
                condition.type_ == "Stalled"
                    && condition.reason == "ProgressDeadlineExceeded"
                    && condition.message.contains("Insufficient cpu")
            });
            Ok(Seen::when(is_stuck, status.clone(), &status.conditions))
        })
        .await?;
        let available = status.available_replicas;
        ensure!(available == 2, "the old pods serve on: {available:?}");
        s.ready_with(json!({})).await?;
        Ok(())
    })
    .await;
}

/// Allows so many pods in the namespace.
async fn limit(s: &Scenario, pods: u32) -> Result<Api<ResourceQuota>> {
    let quotas: Api<ResourceQuota> = Api::namespaced(s.client(), &s.namespace);
    let quota = serde_json::from_value(json!({
        "metadata": {"name": "few-pods"}, "spec": {"hard": {"pods": pods.to_string()}},
    }))?;
    quotas.create(&PostParams::default(), &quota).await?;
    until("the quota is in force", Duration::from_secs(20), || async {
        let status = quotas.get("few-pods").await?.status;
        let counted = status.as_ref().is_some_and(|status| status.used.is_some());
        Ok(Seen::when(counted, (), status))
    })
    .await?;
    Ok(quotas)
}

/// Waits for a status of this resource that names the quota and the next step.
async fn refused(s: &Scenario, name: &str) -> Result<()> {
    let start = Instant::now();
    let words = ["exceeded quota: few-pods", "kubectl describe resourcequota"];
    until("the status names the quota", TOLD, || async {
        let status = s.resources().get(name).await?.status.unwrap_or_default();
        let is_told = status.conditions.iter().any(|condition| {
            condition.type_ == "Stalled"
                && condition.reason == "PodsRefused"
                && words.iter().all(|word| condition.message.contains(word))
        });
        Ok(Seen::when(is_told, (), &status.conditions))
    })
    .await?;
    println!(
        "{name}: the quota was told within {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

#[tokio::test]
async fn pods_that_a_quota_forbids_are_told_of_with_the_next_step_and_made_once_it_allows_them() {
    scenario("pod-quota", async |s| {
        s.ready_with(json!({})).await?;
        let quotas = limit(s, 2).await?;
        s.apply(json!({"telemetry": {"logLevel": "debug"}})).await?;
        let deployments: Api<Deployment> = Api::namespaced(s.client(), &s.namespace);
        until("a pod is refused", KNOWN, || async {
            let status = deployments.get("users").await?.status.unwrap_or_default();
            let conditions = status.conditions.unwrap_or_default();
            let mut types = conditions.iter().map(|condition| &condition.type_);
            let is_refused = types.any(|type_| type_ == "ReplicaFailure");
            Ok(Seen::when(is_refused, (), conditions))
        })
        .await?;
        refused(s, "users").await?;

        s.write_secret("database", &json!({"uri": "mongodb://database/"}))
            .await?;
        let connection = json!({"connection": {"secret": "database"}});
        s.apply_as("stored", json!({"storage": {"mongodb": connection}}))
            .await?;
        let events: Api<Event> = Api::namespaced(s.client(), &s.namespace);
        let of_the_job =
            ListParams::default().fields("involvedObject.kind=Job,reason=FailedCreate");
        until("a pod of the preparation is refused", KNOWN, || async {
            let found = events.list(&of_the_job).await?.items;
            Ok(Seen::when(!found.is_empty(), (), "no event"))
        })
        .await?;
        refused(s, "stored").await?;

        let available = s.resources().get("users").await?.status;
        let available = available.map(|status| status.available_replicas);
        ensure!(available == Some(2), "the old pods serve on: {available:?}");
        quotas.delete("few-pods", &DeleteParams::default()).await?;
        s.ready().await?;
        Ok(())
    })
    .await;
}
