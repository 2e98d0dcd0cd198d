//! Load, and an independent count of what came of it: the client creates and changes users and reads the events.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, LogParams, PostParams},
};
use serde::Deserialize;

use crate::{
    Scenario,
    backing::{BROKERS, REGISTRY, prefix},
    load::client_pod,
    wait::{Seen, until},
};

/// Changes made to each user after its creation.
const UPDATES: u32 = 4;
/// How long events may take to arrive after the load.
const SETTLE: Duration = Duration::from_secs(120);
const NAME: &str = "prove";

/// Running load.
pub struct Prove {
    pods: Api<Pod>,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Proof {
    /// Whether this is the last word.
    #[serde(default)]
    pub done: bool,
    /// Writes that the service acknowledged.
    #[serde(default)]
    pub acknowledged: u64,
    /// Writes whose outcome the caller never learnt.
    #[serde(default)]
    pub unknown: u64,
    /// Events read, repeated ones included.
    #[serde(default)]
    pub events: u64,
    /// Different events.
    #[serde(default)]
    pub distinct: u64,
    /// Acknowledged writes without an event.
    #[serde(default)]
    pub lost: u64,
    /// Events that first came before an earlier one of the same user.
    #[serde(default)]
    pub order_violations: u64,
    /// Events whose value contradicts their key or headers.
    #[serde(default)]
    pub mismatches: u64,
    /// Events that were given up.
    #[serde(default)]
    pub dead_letters: u64,
    /// Failed calls by status code, for the report.
    #[serde(default)]
    pub failed: BTreeMap<String, u64>,
}

impl Prove {
    /// Starts `rate` calls a second from a pod, for at most `duration`, and waits until the first is acknowledged.
    ///
    /// # Errors
    /// If none is within a minute.
    pub async fn start(scenario: &Scenario, rate: u32, duration: Duration) -> Result<Self> {
        let topic = |name: &str| format!("{}{name}", prefix(scenario));
        let arguments = [
            "prove".to_owned(),
            "--target=users:8080".to_owned(),
            "--connections=8".to_owned(),
            format!("--rate={rate}"),
            format!("--duration={}s", duration.as_secs()),
            format!("--updates={UPDATES}"),
            format!("--brokers={}", BROKERS.join(",")),
            format!(
                "--topics={},{}",
                topic("user.created"),
                topic("user.updated")
            ),
            format!(
                "--dead-letters={},{}",
                topic("user.created.dlq"),
                topic("user.updated.dlq")
            ),
            format!("--registry={REGISTRY}"),
            format!("--settle={}s", SETTLE.as_secs()),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let pods: Api<Pod> = Api::namespaced(scenario.client(), &scenario.namespace);
        let pod = client_pod(NAME, &scenario.cluster.client_image, None, &arguments)?;
        pods.create(&PostParams::default(), &pod).await?;
        let prove = Self { pods };
        prove.reaches(1).await?;
        Ok(prove)
    }

    /// Waits until so many more writes are acknowledged.
    ///
    /// # Errors
    /// If they are not within two minutes.
    pub async fn reaches_more(&self, more: u64) -> Result<()> {
        let now = self.latest().await?.map_or(0, |proof| proof.acknowledged);
        self.reaches(now + more).await
    }

    async fn reaches(&self, acknowledged: u64) -> Result<()> {
        let what = format!("{acknowledged} writes are acknowledged");
        until(&what, Duration::from_secs(120), || async {
            let latest = self.latest().await?;
            let reached = latest
                .as_ref()
                .is_some_and(|proof| proof.acknowledged >= acknowledged);
            Ok(Seen::when(reached, (), latest))
        })
        .await
    }

    /// Ends the load and waits for the outcome.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn stop(self) -> Result<Proof> {
        // The client ends its load at SIGTERM and goes on reading; its log is followed to the last line.
        let params = DeleteParams::default().grace_period(u32::try_from(SETTLE.as_secs() + 30)?);
        self.pods.delete(NAME, &params).await?;
        self.end().await
    }

    /// Waits for the outcome.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn end(self) -> Result<Proof> {
        let bound = Duration::from_secs(60) + SETTLE;
        let proof = until("the proof is done", bound, || async {
            let latest = self.latest().await?;
            let done = latest.as_ref().is_some_and(|proof| proof.done);
            Ok(Seen::when(done, latest.clone(), latest))
        })
        .await?;
        let proof = proof.context("a last line")?;
        println!("{proof:?}");
        Ok(proof)
    }

    async fn latest(&self) -> Result<Option<Proof>> {
        let params = LogParams {
            tail_lines: Some(1),
            ..LogParams::default()
        };
        match self.pods.logs(NAME, &params).await {
            Ok(text) => match text.lines().last() {
                Some(line) => Ok(Some(
                    serde_json::from_str(line)
                        .with_context(|| format!("the client says: {line}"))?,
                )),
                None => Ok(None),
            },
            // Not started yet: the kubelet has no log to give.
            Err(kube::Error::Api(status)) if status.code == 400 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Proof {
    /// Checks that every acknowledged write has its event, in order and as it was.
    ///
    /// # Errors
    /// Says what is missing or wrong.
    pub fn assert_nothing_lost(&self) -> Result<()> {
        ensure!(
            (self.lost, self.order_violations, self.mismatches) == (0, 0, 0),
            "{self:?}"
        );
        Ok(())
    }
}
