//! The client, run once in a pod.

use std::time::Duration;

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{LogParams, PostParams},
};

use crate::{
    Scenario,
    load::client_pod,
    wait::{Seen, until},
};

/// Bound for the pod to start and to end.
const ENDS: Duration = Duration::from_secs(120);

/// Runs the client with these arguments in a pod of this name; what it prints.
///
/// # Errors
/// If it fails, with what it said, or does not end in time.
pub async fn client(scenario: &Scenario, name: &str, arguments: &[&str]) -> Result<String> {
    let pod = client_pod(name, &scenario.cluster.client_image, None, arguments)?;
    run(scenario, pod).await
}

/// Runs a [`client_pod`] to its end; what it prints.
///
/// # Errors
/// As [`client`].
pub async fn run(scenario: &Scenario, pod: Pod) -> Result<String> {
    let pods: Api<Pod> = Api::namespaced(scenario.client(), &scenario.namespace);
    let name = pod.name_any();
    pods.create(&PostParams::default(), &pod).await?;
    let what = format!("the client {name} has ended");
    let phase = until(&what, ENDS, || async {
        let phase = pods
            .get(&name)
            .await?
            .status
            .and_then(|status| status.phase);
        let phase = phase.unwrap_or_default();
        let ended = phase == "Succeeded" || phase == "Failed";
        Ok(Seen::when(ended, phase.clone(), phase))
    })
    .await?;
    let said = pods.logs(&name, &LogParams::default()).await?;
    if phase == "Failed" {
        bail!("the client {name} failed: {said}");
    }
    Ok(said)
}
