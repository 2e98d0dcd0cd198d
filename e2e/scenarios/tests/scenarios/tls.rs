//! TLS between clients and pods, and certificates that change under load.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use scenarios::{
    Scenario,
    cluster::metric,
    load::{CONNECTIONS, Load, RATE, client_pod},
    once,
    tls::{Authority, protected},
    wait::{Seen, until},
};
use serde_json::{Value, json};
use user_settings::metric as names;

use crate::scenario;

/// Bound for the kubelet to write a changed Secret into the pods, and for these to read it.
const TAKEN_IN: Duration = Duration::from_secs(180);
/// How long the load goes on: longer than any connection lives.
const LOAD_S: f64 = 70.0;

/// What a client of one authority shows to servers of another.
fn client_of(authority: &Authority, names: &[&str], servers: &Authority) -> Result<Value> {
    let mut content = authority.issue(names, 2040)?;
    content["ca.crt"] = servers.public()["ca.crt"].take();
    Ok(content)
}

/// One call from a pod; with TLS by what this Secret holds. It tries to connect for as long as the call may take: the
/// network of the node may learn a moment later where the pods are.
async fn call(s: &Scenario, name: &str, secret: Option<&str>) -> Result<String> {
    let email = format!("{name}@example.com");
    let arguments = [
        "demo",
        "--target",
        "users:8080",
        "--name",
        "Ada",
        "--email",
        &email,
        "--wait",
    ];
    let mut pod = client_pod(name, &s.cluster.client_image, None, &arguments)?;
    if let Some(secret) = secret {
        pod = protected(pod, secret);
    }
    once::run(s, pod).await
}

/// Fails unless pods were reached, and let no connection come about in all the time of the call. How a connection breaks
/// that was refused is chance; one that did not even reach a pod failed "while dialing".
async fn refused(s: &Scenario, name: &str, secret: Option<&str>) -> Result<()> {
    match call(s, name, secret).await {
        Ok(said) => bail!("{name} could call: {said}"),
        Err(error) => {
            let said = format!("{error:#}");
            let all_broke = said.contains("DeadlineExceeded desc = latest balancer error");
            ensure!(
                all_broke && !said.contains("while dialing"),
                "{name}: {said}"
            );
            Ok(())
        }
    }
}

/// What each pod tells of this metric, with this label.
pub(crate) async fn of_each_pod(s: &Scenario, name: &str, label: &str) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for pod in s.pods().await? {
        all.push(metric(&s.metrics(&pod).await?, name, label));
    }
    Ok(all)
}

/// Connections that were made to all pods so far.
async fn connections(s: &Scenario) -> Result<f64> {
    let made = of_each_pod(s, names::TLS_HANDSHAKES, "completed").await?;
    Ok(made.iter().sum())
}

/// Calls by what this Secret holds, until they are stopped.
async fn load(s: &Scenario, secret: &str) -> Result<Load> {
    let workers = s.cluster.workers().await?;
    let mut pod = Load::pod(
        s,
        CONNECTIONS,
        RATE,
        &workers[1],
        "users:8080",
        "pick_first",
    )?;
    pod.metadata.name = Some(format!("load-{secret}"));
    Load::run(s, RATE, protected(pod, secret)).await
}

/// Writes a Secret, and waits until each pod has taken into force what is in it.
async fn put_into_force(s: &Scenario, secret: &str, content: &Value) -> Result<()> {
    let before = reloads(s).await?;
    s.write_secret(secret, content).await?;
    look_at_pods(s).await?;
    let what = format!("the pods have taken {secret} into force");
    until(&what, TAKEN_IN, || async {
        let now = reloads(s).await?;
        let all = now.iter().zip(&before).all(|(now, before)| now > before);
        Ok(Seen::when(all, (), &now))
    })
    .await
}

async fn reloads(s: &Scenario) -> Result<Vec<f64>> {
    of_each_pod(s, names::TLS_RELOADS, "completed").await
}

/// The kubelet writes a changed Secret into a pod when it looks at the pod, a minute or more later by itself, and at once
/// when the pod has changed.
pub(crate) async fn look_at_pods(s: &Scenario) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(s.client(), &s.namespace);
    for pod in s.pods().await? {
        let looked_at = json!({"metadata": {"annotations": {"looked-at": pod.resource_version()}}});
        api.patch(
            &pod.name_any(),
            &PatchParams::default(),
            &Patch::Merge(looked_at),
        )
        .await?;
    }
    Ok(())
}

/// Fails if one of the service's pods is not one of these any more, or was restarted.
pub(crate) async fn ensure_untouched(s: &Scenario, pods: &BTreeSet<String>) -> Result<()> {
    ensure!(s.pod_uids().await? == *pods, "pods were replaced");
    for pod in s.pods().await? {
        let containers = pod.status.and_then(|status| status.container_statuses);
        for container in containers.context("a pod has containers")? {
            let restarts = container.restart_count;
            ensure!(restarts == 0, "{} was restarted", container.name);
        }
    }
    Ok(())
}

#[tokio::test]
async fn only_named_clients_can_call_and_changed_certificates_and_old_connections_fail_no_call() {
    scenario("tls", async |s| {
        let (ours, other) = (Authority::new()?, Authority::new()?);
        let web = "spiffe://shop/ns/web/sa/api";
        s.write_secret("users-tls", &ours.issue(&["users"], 2040)?)
            .await?;
        s.write_secret("users-clients", &ours.public()).await?;
        s.write_secret("web", &ours.issue(&[web], 2040)?).await?;
        s.write_secret(
            "batch",
            &ours.issue(&["spiffe://shop/ns/batch/sa/job"], 2040)?,
        )
        .await?;
        s.write_secret("stranger", &client_of(&other, &[web], &ours)?)
            .await?;
        s.write_secret("anonymous", &ours.public()).await?;
        s.ready_with(json!({
            "server": {"maxConnectionAge": "1m"},
            "tls": {
                "secret": "users-tls",
                "clientCa": {"secret": "users-clients"},
                "allowedClients": [web],
            },
        }))
        .await?;
        call(s, "call-web", Some("web")).await?;
        let strangers = [None, Some("anonymous"), Some("batch"), Some("stranger")];
        try_join_all(strangers.map(async |secret| {
            let name = format!("call-{}", secret.unwrap_or("plain"));
            refused(s, &name, secret).await
        }))
        .await?;

        let pods = s.pod_uids().await?;
        let before = of_each_pod(s, names::TLS_CERTIFICATE_EXPIRY, "").await?;
        let made_before = connections(s).await?;
        let load = load(s, "web").await?;
        put_into_force(s, "users-tls", &ours.issue(&["users"], 2050)?).await?;
        let now = of_each_pod(s, names::TLS_CERTIFICATE_EXPIRY, "").await?;
        ensure!(
            now.iter().all(|expiry| !before.contains(expiry)),
            "each pod shows the new certificate: {now:?}"
        );
        call(s, "call-again", Some("web")).await?;
        let report = load.after(LOAD_S).await?;
        report.assert_no_call_failed()?;
        load.stop().await?;
        let made = connections(s).await? - made_before;
        ensure!(
            made >= 2.0 * f64::from(CONNECTIONS),
            "every connection was made anew when it was old: {made} were made"
        );
        ensure_untouched(s, &pods).await
    })
    .await;
}

#[tokio::test]
async fn the_authority_of_clients_changes_under_load_no_call_fails_and_the_old_one_is_refused() {
    scenario("client-ca", async |s| {
        let (servers, old, new) = (Authority::new()?, Authority::new()?, Authority::new()?);
        s.write_secret("users-tls", &servers.issue(&["users"], 2040)?)
            .await?;
        s.write_secret("users-clients", &old.public()).await?;
        for (secret, authority) in [("old", &old), ("new", &new)] {
            let content = client_of(authority, &["web.shop.example"], &servers)?;
            s.write_secret(secret, &content).await?;
        }
        s.ready_with(json!({
            "tls": {"secret": "users-tls", "clientCa": {"secret": "users-clients"}},
        }))
        .await?;
        let pods = s.pod_uids().await?;
        let before = load(s, "old").await?;
        refused(s, "too-early", Some("new")).await?;

        put_into_force(s, "users-clients", &old.public_with(&new)).await?;
        let moved = load(s, "new").await?;
        call(s, "not-moved-yet", Some("old")).await?;
        before.after(1.0).await?.assert_no_call_failed()?;
        before.stop().await?;

        put_into_force(s, "users-clients", &new.public()).await?;
        refused(s, "never-moved", Some("old")).await?;
        call(s, "has-moved", Some("new")).await?;
        moved.after(1.0).await?.assert_no_call_failed()?;
        ensure_untouched(s, &pods).await
    })
    .await;
}
