//! The operator as Helm installs it.

use std::{process::Stdio, time::Duration};

use anyhow::{Result, ensure};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    Scenario,
    cluster::{OPERATOR, OPERATOR_NAMESPACE},
    kubectl::HELM,
    wait::{Seen, until},
};

/// Selects what the chart installs, the operator's pods among it.
pub const LABEL: &str = "app.kubernetes.io/name=userservice-operator";

/// Installs or upgrades the release of this name with one value more than the bed gives.
///
/// # Errors
/// If Helm fails, or takes too long.
pub async fn install(release: &str, value: Option<(&str, Value)>) -> Result<()> {
    let value = value.map(|(name, value)| format!("{name}={value}"));
    script(release, "up", value.as_deref()).await
}

/// Uninstalls the release of this name.
///
/// # Errors
/// As [`install`].
pub async fn uninstall(release: &str) -> Result<()> {
    script(release, "down", None).await
}

async fn script(release: &str, verb: &str, value: Option<&str>) -> Result<()> {
    let command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../operator.sh"))
        .arg(verb)
        .args(value)
        .env("RELEASE", release)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status();
    let status = tokio::time::timeout(HELM, command).await??;
    ensure!(status.success(), "{verb} of release {release}: {status}");
    Ok(())
}

/// Scales the operator and waits until so many of its pods are ready, and no other is there.
///
/// # Errors
/// If that is not so within the bound.
pub async fn run_operators(s: &Scenario, replicas: usize) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(s.client(), OPERATOR_NAMESPACE);
    let scale = json!({"spec": {"replicas": replicas}});
    deployments
        .patch_scale(OPERATOR, &PatchParams::default(), &Patch::Merge(&scale))
        .await?;
    let what = format!("{replicas} operators run");
    until(&what, Duration::from_secs(90), || async {
        let pods: Api<Pod> = Api::namespaced(s.client(), OPERATOR_NAMESPACE);
        let pods = pods.list(&ListParams::default().labels(LABEL)).await?;
        let deployment = deployments.get(OPERATOR).await?;
        let ready = deployment.status.and_then(|status| status.ready_replicas);
        let ready = usize::try_from(ready.unwrap_or(0))?;
        let reached = pods.items.len() == replicas && ready == replicas;
        Ok(Seen::when(reached, (), (pods.items.len(), ready)))
    })
    .await
}
