//! The client, run once in a pod.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
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
    client_labelled(scenario, name, BTreeMap::new(), arguments).await
}

/// As [`client`], in a pod with these labels.
///
/// # Errors
/// As [`client`].
pub async fn client_labelled(
    scenario: &Scenario,
    name: &str,
    labels: BTreeMap<String, String>,
    arguments: &[&str],
) -> Result<String> {
    let pods: Api<Pod> = Api::namespaced(scenario.client(), &scenario.namespace);
    let mut pod = client_pod(name, &scenario.cluster.client_image, None, arguments)?;
    pod.metadata.labels = Some(labels);
    pods.create(&PostParams::default(), &pod).await?;
    let what = format!("the client {name} has ended");
    let phase = until(&what, ENDS, || async {
        let phase = pods.get(name).await?.status.and_then(|status| status.phase);
        let phase = phase.unwrap_or_default();
        let ended = phase == "Succeeded" || phase == "Failed";
        Ok(Seen::when(ended, phase.clone(), phase))
    })
    .await?;
    let said = pods.logs(name, &LogParams::default()).await?;
    if phase == "Failed" {
        bail!("the client {name} failed: {said}");
    }
    Ok(said)
}
