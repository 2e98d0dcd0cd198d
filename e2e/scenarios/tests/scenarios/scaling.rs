//! Who decides on the number of pods, and how it follows the load.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler};
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use scenarios::{
    Scenario,
    load::{Load, RATE},
    wait::{Seen, until},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::scenario;

/// Desired and available pods of the Deployment, each time that it changes.
struct Watched {
    seen: Arc<Mutex<Vec<(i32, i32)>>>,
    task: JoinHandle<Result<(), watcher::Error>>,
}

impl Watched {
    fn start(s: &Scenario) -> Self {
        let seen = Arc::<Mutex<Vec<(i32, i32)>>>::default();
        let kept = Arc::clone(&seen);
        let config = watcher::Config::default().fields("metadata.name=users");
        let events = watcher(deployments(s), config).applied_objects();
        let task = tokio::spawn(events.try_for_each(move |deployment| {
            kept.lock().unwrap().push(counts(&deployment));
            std::future::ready(Ok(()))
        }));
        Self { seen, task }
    }

    /// Waits until the Deployment was seen with this many pods, all of them available.
    async fn reaches(&self, pods: i32) -> Result<()> {
        let what = format!("there are {pods} pods");
        until(&what, Duration::from_secs(120), || async {
            let last = self.seen.lock().unwrap().last().copied();
            Ok(Seen::when(last == Some((pods, pods)), (), last))
        })
        .await
    }

    /// Waits until the Deployment was seen with this many pods desired, however shortly.
    async fn passes(&self, pods: i32) -> Result<()> {
        let what = format!("{pods} pods are desired");
        until(&what, Duration::from_secs(30), || async {
            let seen = self.seen.lock().unwrap().clone();
            let passed = seen.iter().any(|(desired, _)| *desired == pods);
            Ok(Seen::when(passed, (), seen))
        })
        .await
    }

    /// Ends the watch and answers what was seen.
    fn seen(self) -> Result<Vec<(i32, i32)>> {
        ensure!(!self.task.is_finished(), "the watch ended early");
        self.task.abort();
        Ok(self.seen.lock().unwrap().clone())
    }
}

fn deployments(s: &Scenario) -> Api<Deployment> {
    Api::namespaced(s.client(), &s.namespace)
}

fn counts(deployment: &Deployment) -> (i32, i32) {
    let desired = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let status = deployment.status.as_ref();
    let available = status.and_then(|status| status.available_replicas);
    (desired.unwrap_or(0), available.unwrap_or(0))
}

/// Managers that own the Deployment's number of pods.
async fn owners(s: &Scenario) -> Result<Vec<String>> {
    let deployment = deployments(s).get("users").await?;
    let owns = |fields: &Value| fields.pointer("/f:spec/f:replicas").is_some();
    Ok(deployment
        .metadata
        .managed_fields
        .into_iter()
        .flatten()
        .filter(|entry| {
            entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| owns(&fields.0))
        })
        .filter_map(|entry| entry.manager)
        .collect())
}

#[tokio::test]
async fn five_pods_stay_five_while_the_number_is_handed_to_an_autoscaler_and_back() {
    scenario("handover", async |s| {
        s.ready_with(json!({"replicas": 5})).await?;
        let watched = Watched::start(s);
        watched.reaches(5).await?;
        let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(s.client(), &s.namespace);

        let autoscaling = json!({"min": 5, "max": 6, "cpu": 1000});
        s.ready_with(json!({"replicas": 5, "autoscaling": autoscaling}))
            .await?;
        ensure!(autoscalers.get_opt("users").await?.is_some());
        let owners_then = owners(s).await?;
        ensure!(
            !owners_then.is_empty()
                && !owners_then
                    .iter()
                    .any(|name| name == "userservice-operator"),
            "the number is not the operator's any more: {owners_then:?}"
        );

        s.ready_with(json!({"replicas": 5})).await?;
        ensure!(autoscalers.get_opt("users").await?.is_none());
        let owners_now = owners(s).await?;
        ensure!(
            owners_now.iter().any(|name| name == "userservice-operator"),
            "the number is the operator's again: {owners_now:?}"
        );
        let edit = json!({"spec": {"replicas": 6}});
        deployments(s)
            .patch("users", &PatchParams::default(), &Patch::Merge(&edit))
            .await?;
        watched.passes(6).await?;
        watched.reaches(5).await?;

        let seen = watched.seen()?;
        ensure!(
            seen.iter()
                .all(|(desired, available)| *desired >= 5 && *available >= 5),
            "fewer than five: {seen:?}"
        );
        println!("desired and available pods, all the time: {seen:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn load_adds_pods_and_its_end_takes_them_away_again() {
    scenario("load", async |s| {
        let spec = json!({
            "autoscaling": {"min": 1, "max": 2, "cpu": 100, "scaleDownDelay": "0s"},
            "pod": {"resources": {"requests": {"cpu": "10m"}}},
        });
        s.ready_with(spec).await?;
        let watched = Watched::start(s);
        watched.reaches(1).await?;
        let workers = s.cluster.workers().await?;
        let load = Load::start(s, RATE, &workers[1], "users:8080", "pick_first").await?;
        watched.reaches(2).await?;
        load.after(1.0).await?.assert_no_call_failed()?;
        load.stop().await?;
        watched.reaches(1).await.context("after the load")?;
        println!("desired and available pods: {:?}", watched.seen()?);
        Ok(())
    })
    .await;
}
