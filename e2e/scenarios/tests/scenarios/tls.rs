//! TLS between clients and pods, and certificates that change under load.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use kube::ResourceExt;
use scenarios::{
    Scenario,
    cluster::metric,
    load::{CONNECTIONS, Load, RATE, client_pod},
    once,
    tls::{Authority, protected},
    wait::{Seen, until},
};
use serde_json::json;
use user_settings::{ADMIN_PORT, metric as names, path};

use crate::scenario;

/// Bound for the kubelet to write a changed Secret into the pods, and for these to read it.
const TAKEN_IN: Duration = Duration::from_secs(180);
/// How long the load goes on: longer than any connection lives.
const LOAD_S: f64 = 70.0;

/// One call from a pod; with TLS by what this Secret holds.
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
    ];
    let mut pod = client_pod(name, &s.cluster.client_image, None, &arguments)?;
    if let Some(secret) = secret {
        pod = protected(pod, secret);
    }
    once::run(s, pod).await
}

/// Fails unless the call fails with this in its message.
async fn refused(s: &Scenario, name: &str, secret: Option<&str>, why: &str) -> Result<()> {
    match call(s, name, secret).await {
        Ok(said) => bail!("{name} could call: {said}"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains(why), "{name}: {why} is not in: {said}");
            Ok(())
        }
    }
}

/// What each pod tells of this metric, with this label.
async fn of_each_pod(s: &Scenario, name: &str, label: &str) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for pod in s.pods().await? {
        let text = s
            .cluster
            .pod_get(&s.namespace, &pod.name_any(), ADMIN_PORT, path::METRICS)
            .await?;
        all.push(metric(&text, name, label));
    }
    Ok(all)
}

/// Connections that were made to all pods so far.
async fn connections(s: &Scenario) -> Result<f64> {
    let made = of_each_pod(s, names::TLS_HANDSHAKES, "completed").await?;
    Ok(made.iter().sum())
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
        let mut stranger = other.issue(&[web], 2040)?;
        stranger["ca.crt"] = ours.public()["ca.crt"].take();
        s.write_secret("stranger", &stranger).await?;
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
        for secret in [None, Some("anonymous"), Some("batch"), Some("stranger")] {
            let name = format!("call-{}", secret.unwrap_or("plain"));
            refused(s, &name, secret, "Unavailable").await?;
        }

        let pods = s.pod_uids().await?;
        let before = of_each_pod(s, names::TLS_CERTIFICATE_EXPIRY, "").await?;
        let made_before = connections(s).await?;
        let workers = s.cluster.workers().await?;
        let pod = Load::pod(s, RATE, &workers[1], "users:8080", "pick_first")?;
        let load = Load::run(s, RATE, protected(pod, "web")).await?;
        s.write_secret("users-tls", &ours.issue(&["users"], 2050)?)
            .await?;
        until("the pods show the new certificate", TAKEN_IN, || async {
            let now = of_each_pod(s, names::TLS_CERTIFICATE_EXPIRY, "").await?;
            let is_new = now.iter().all(|expiry| !before.contains(expiry));
            Ok(Seen::when(is_new, (), &now))
        })
        .await?;
        call(s, "call-again", Some("web")).await?;
        let report = load.after(LOAD_S).await?;
        report.assert_no_call_failed()?;
        load.stop().await?;
        let made = connections(s).await? - made_before;
        ensure!(
            made >= 2.0 * f64::from(CONNECTIONS),
            "every connection was made anew when it was old: {made} were made"
        );
        ensure!(s.pod_uids().await? == pods, "pods were replaced");
        Ok(())
    })
    .await;
}
