//! Load, and an independent count of what came of it: the client creates, changes and deletes users and reads the events.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde::Deserialize;

use crate::{
    Scenario,
    backing::{BROKERS, REGISTRY, prefix},
    load::{client_pod, last_line},
    wait::{Seen, until},
};

/// Changes made to each user after its creation. Some are deleted afterwards, and some of these come back.
const UPDATES: u32 = 4;
/// What the client does to them.
const METHODS: [&str; 4] = ["CreateUser", "UpdateUser", "DeleteUser", "UndeleteUser"];
/// How it is told.
const EVENTS: [&str; 3] = ["created", "updated", "deleted"];
/// How long events may take to arrive after the load.
const SETTLE: Duration = Duration::from_secs(120);
const NAME: &str = "prove";

/// Running load.
pub struct Prove {
    pods: Api<Pod>,
    rate: u32,
}

/// How events catch up with writes after an outage.
#[derive(Clone, Copy, Debug)]
pub struct CatchUp {
    /// Acknowledged writes without their event when events came again.
    pub backlog: u64,
    /// Seconds until then.
    pub silent_s: f64,
    /// Events each second from then on.
    pub events_per_s: f64,
    /// Acknowledged writes each second meanwhile.
    pub writes_per_s: f64,
}

#[allow(clippy::cast_precision_loss, reason = "counts of one scenario")]
fn per(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
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
    /// Writes that the service acknowledged, by method.
    #[serde(default)]
    pub calls: BTreeMap<String, u64>,
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
    /// From answer to consumption.
    #[serde(default)]
    pub delay_ms: Delay,
    /// Seconds since the load began.
    #[serde(default)]
    pub elapsed_s: f64,
    /// Acknowledged writes whose event has not come yet.
    #[serde(default)]
    pub behind: u64,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Delay {
    /// Median.
    pub p50: f64,
    /// Of a hundred, one takes longer.
    pub p99: f64,
    /// Longest.
    pub max: f64,
}

impl Prove {
    /// Starts `rate` calls a second from a pod, for at most `duration`, and waits until the first is acknowledged.
    ///
    /// # Errors
    /// If none is within a minute.
    pub async fn start(scenario: &Scenario, rate: u32, duration: Duration) -> Result<Self> {
        let topics =
            |suffix: &str| EVENTS.map(|event| format!("{}user.{event}{suffix}", prefix(scenario)));
        let arguments = [
            "prove".to_owned(),
            "--target=users:8080".to_owned(),
            "--connections=8".to_owned(),
            format!("--rate={rate}"),
            format!("--duration={}s", duration.as_secs()),
            format!("--updates={UPDATES}"),
            format!("--brokers={}", BROKERS.join(",")),
            format!("--topics={}", topics("").join(",")),
            format!("--dead-letters={}", topics(".dlq").join(",")),
            format!("--registry={REGISTRY}"),
            format!("--settle={}s", SETTLE.as_secs()),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let pods: Api<Pod> = Api::namespaced(scenario.client(), &scenario.namespace);
        let pod = client_pod(NAME, &scenario.cluster.client_image, None, &arguments)?;
        pods.create(&PostParams::default(), &pod).await?;
        let prove = Self { pods, rate };
        prove.reaches(1).await?;
        Ok(prove)
    }

    /// What has come of it so far.
    ///
    /// # Errors
    /// If the client says nothing.
    pub async fn now(&self) -> Result<Proof> {
        // Nothing is there for a moment when the kubelet begins a new file.
        until("the client reports", Duration::from_secs(30), || async {
            let latest = self.latest().await?;
            Ok(latest.map_or_else(|| Seen::NotYet("nothing".to_owned()), Seen::Yes))
        })
        .await
    }

    /// Waits until so many more writes are acknowledged.
    ///
    /// # Errors
    /// If they are not within two minutes.
    pub async fn reaches_more(&self, more: u64) -> Result<()> {
        let now = self.now().await?.acknowledged;
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

    /// Waits until the events have caught up with the writes, from an outage that is over now.
    ///
    /// # Errors
    /// If they have not within two minutes.
    pub async fn catches_up(&self) -> Result<CatchUp> {
        let over = self.latest().await?.context("a line")?;
        // The last line before events came again.
        let start = RefCell::new(over.clone());
        let bound = Duration::from_secs(120);
        let end = until("events have caught up", bound, || async {
            let now = self.latest().await?.context("a line")?;
            if now.events == over.events {
                start.replace(now.clone());
            }
            let caught_up = now.events > over.events && now.behind <= u64::from(self.rate);
            Ok(Seen::when(caught_up, now.clone(), now))
        })
        .await?;
        let start = start.into_inner();
        let seconds = end.elapsed_s - start.elapsed_s;
        Ok(CatchUp {
            backlog: start.behind,
            silent_s: start.elapsed_s - over.elapsed_s,
            events_per_s: per(end.events - start.events, seconds),
            writes_per_s: per(end.acknowledged - start.acknowledged, seconds),
        })
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
        let Some(line) = last_line(&self.pods, NAME).await? else {
            return Ok(None);
        };
        let proof =
            serde_json::from_str(&line).with_context(|| format!("the client says: {line}"))?;
        Ok(Some(proof))
    }
}

impl Proof {
    /// Checks that every acknowledged write has its event, in order and as it was, and that there were enough to judge.
    ///
    /// # Errors
    /// Says what is missing or wrong.
    pub fn assert_nothing_lost(&self) -> Result<()> {
        ensure!(
            METHODS
                .iter()
                .all(|method| self.calls.contains_key(*method)),
            "not every kind of write was made: {self:?}"
        );
        ensure!(
            (self.lost, self.order_violations, self.mismatches) == (0, 0, 0),
            "{self:?}"
        );
        Ok(())
    }

    /// And that no write's outcome stayed unknown and no event was given up, as where nothing is harmed.
    ///
    /// # Errors
    /// Says what is missing or wrong.
    pub fn assert_undisturbed(&self) -> Result<()> {
        self.assert_nothing_lost()?;
        ensure!((self.unknown, self.dead_letters) == (0, 0), "{self:?}");
        Ok(())
    }
}
