//! The operator, as a process beside the cluster.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpListener;

use crate::process::{Running, beside, metrics};

/// How often it is asked how far it is.
const LOOK: Duration = Duration::from_millis(10);
/// How long it may take for thousands of resources, or to end.
const PATIENCE: Duration = Duration::from_secs(900);

/// What it did since it started.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) passes: f64,
    /// Those of them that failed.
    pub(super) failed: f64,
    /// Requests for objects, but for its own Lease.
    pub(super) reads: f64,
    /// Writes of children.
    pub(super) children: f64,
    /// Writes of the status.
    pub(super) statuses: f64,
    /// Events of Kubernetes.
    pub(super) events: f64,
}

/// Killed when dropped, unless it was [stopped](Self::stop).
pub(super) struct Operator {
    running: Running,
    admin: SocketAddr,
}

impl Operator {
    /// Starts it for one namespace, with as many passes at a time as it has by default.
    pub(super) async fn start(namespace: &str) -> Result<Self> {
        // Free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let child = Command::new(beside("userservice-operator")?)
            .args(["run", "--watch-namespace", namespace])
            .arg(format!("--admin-address={address}"))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            running: Running(child),
            admin: address,
        })
    }

    /// Waits until so many passes have succeeded since it started.
    pub(super) async fn passes(&self, passes: usize) -> Result<()> {
        let wanted = passes.to_string().parse::<f64>()?;
        tokio::time::timeout(PATIENCE, async {
            loop {
                // It does not listen before the API server has answered it once.
                let text = metrics(self.admin).await.unwrap_or_default();
                if value(
                    &text,
                    "userservice_operator_reconciles_total{outcome=\"Ok\"}",
                ) >= wanted
                {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        })
        .await
        .with_context(|| format!("{passes} passes"))
    }

    /// Writes to the API server since it started.
    pub(super) async fn writes(&self) -> Result<f64> {
        Ok(value(
            &metrics(self.admin).await?,
            "userservice_operator_writes_total",
        ))
    }

    pub(super) async fn counts(&self) -> Result<Counts> {
        let text = metrics(self.admin).await?;
        let count = |name: &str| value(&text, &format!("userservice_operator_{name}"));
        let calls = |verb: &str| count(&format!("api_calls_total{{verb=\"{verb}"));
        let statuses = count("writes_total{verb=\"report\"");
        let events = count("writes_total{verb=\"create\",kind=\"Event\"");
        Ok(Counts {
            passes: count("reconciles_total"),
            failed: count("reconciles_total") - count("reconciles_total{outcome=\"Ok\""),
            // The Lease is read each time before it is replaced, and nothing else is replaced.
            reads: calls("get") + calls("list") - calls("replace"),
            children: count("writes_total") - statuses - events,
            statuses,
            events,
        })
    }

    /// Resident memory now.
    pub(super) fn mebibytes(&self) -> Result<f64> {
        self.running.mebibytes("VmRSS")
    }

    /// Lets it give back its Lease, so that the next one need not wait for that.
    pub(super) async fn stop(mut self) -> Result<()> {
        let sent = Command::new("kill")
            .arg(self.running.0.id().to_string())
            .status()?;
        ensure!(sent.success(), "kill: {sent}");
        tokio::time::timeout(PATIENCE, async {
            loop {
                if self.running.0.try_wait()?.is_some() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        })
        .await?
    }
}

/// Sum of the samples whose line begins so.
fn value(text: &str, name: &str) -> f64 {
    text.lines()
        .filter(|line| line.starts_with(name))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
