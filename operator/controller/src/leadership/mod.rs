//! One leader among the replicas of the operator, and no write by any other.
//!
//! The election is that of Kubernetes' own components: a Lease that its holder renews and that
//! others take once they have seen it unchanged for as long as it lasts. Times of other machines
//! are never compared. What it adds is the fence: the client by which passes write lets a request
//! begin only while the claim outlasts it, so that a leader that was frozen, or cut off, does not
//! write beside its successor.

mod claim;
mod election;
mod fence;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::time::{Instant, sleep, timeout};

use crate::metrics::Metrics;
pub(crate) use claim::{Claim, NotLeading, Write};
use election::{Election, Step};
pub(crate) use fence::Fence;

/// Name of the Lease, in the operator's own namespace.
pub(crate) const LEASE: &str = "userservice-operator";
/// Bound of the longest write, that of a change in Kafka: two requests that take all of their time.
pub(crate) const LONGEST_WRITE: Duration = Duration::from_secs(8);
/// How long a claim lasts unless it is renewed. More than [`LONGEST_WRITE`] by what a failed renewal
/// takes.
const DURATION: Duration = Duration::from_secs(15);
/// Pause of the leader between two renewals.
const RENEW: Duration = Duration::from_secs(2);
/// Pause of the others between two looks: a released Lease is taken within it.
const LOOK: Duration = Duration::from_millis(400);
/// Bound of one look or renewal.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Why this replica leads no more. The process has to end: what it began is not to go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("another replica leads: {0}")]
    Taken(String),
    #[error("the Lease could not be renewed within {DURATION:?}")]
    Expired,
}

/// One replica's part in the election.
pub(crate) struct Candidate {
    leases: Api<Lease>,
    claim: Claim,
    metrics: Arc<Metrics>,
    election: Election,
}

impl Candidate {
    /// `client` must be one without the fence: a claim is renewed and taken without having one.
    pub(crate) fn new(client: Client, claim: Claim, metrics: Arc<Metrics>) -> Self {
        Self {
            leases: Api::default_namespaced(client),
            claim,
            metrics,
            election: Election::new(identity(), DURATION),
        }
    }

    /// Takes the Lease when it can be had and renews it from then on. Returns only when it is lost.
    pub(crate) async fn lead(&mut self) -> Lost {
        loop {
            // From before the request: whoever sees its result sees it later.
            let asked = Instant::now();
            match timeout(ATTEMPT, self.attempt()).await {
                Ok(Ok(None)) => {
                    if self.claim.extend(asked + DURATION) {
                        tracing::info!(identity = self.election.identity(), "leading");
                    }
                    self.metrics.leads(true);
                }
                Ok(Ok(Some(holder))) if self.claim.was_held() => return Lost::Taken(holder),
                Ok(Ok(Some(_))) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the Lease cannot be had"),
                Err(_) => tracing::warn!("the Lease cannot be had: no answer within {ATTEMPT:?}"),
            }
            if self.claim.was_held() && !self.claim.is_held() {
                return Lost::Expired;
            }
            sleep(if self.claim.is_held() { RENEW } else { LOOK }).await;
        }
    }

    /// Lets another replica lead at once. No write begins from here on, and those under way are
    /// awaited; if they do not end in time, the Lease is left to run out.
    pub(crate) async fn resign(&self) {
        if !self.claim.is_held() {
            return;
        }
        self.metrics.leads(false);
        if timeout(LONGEST_WRITE, self.claim.close()).await.is_err() {
            tracing::warn!("writes did not end in time; the Lease runs out by itself");
            return;
        }
        match timeout(ATTEMPT, self.release()).await {
            Ok(Ok(())) => tracing::info!("released the Lease"),
            Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be released"),
            Err(_) => tracing::warn!("the Lease could not be released in time"),
        }
    }

    /// `None` if this replica holds the Lease, else who does.
    async fn attempt(&mut self) -> kube::Result<Option<String>> {
        let live = self.leases.get_opt(LEASE).await?;
        // From after the answer: what it tells may have been written only just before it.
        let seen = Instant::now();
        let params = PostParams::default();
        let written = match self.election.step(live.as_ref(), seen) {
            Step::Wait(holder) => return Ok(Some(holder)),
            Step::Create(spec) => {
                let mut lease = Lease::default();
                lease.metadata.name = Some(LEASE.to_owned());
                lease.spec = Some(spec(MicroTime(Timestamp::now())));
                self.leases.create(&params, &lease).await
            }
            // The resourceVersion of what was read keeps two from taking it.
            Step::Replace(spec) => {
                let mut lease = live.unwrap_or_default();
                lease.spec = Some(spec(MicroTime(Timestamp::now())));
                lease.metadata.managed_fields = None;
                self.leases.replace(LEASE, &params, &lease).await
            }
        };
        match written {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Ok(Some("another was faster".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    async fn release(&self) -> kube::Result<()> {
        loop {
            let Some(mut lease) = self.leases.get_opt(LEASE).await? else {
                return Ok(());
            };
            if !self.election.holds(&lease) {
                return Ok(());
            }
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
                spec.renew_time = Some(MicroTime(Timestamp::now()));
            }
            lease.metadata.managed_fields = None;
            let params = PostParams::default();
            match self.leases.replace(LEASE, &params, &lease).await {
                // A renewal that the stop left under way was written in between.
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                written => return written.map(drop),
            }
        }
    }
}

/// The pod that this process runs in.
pub(crate) fn pod_name() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "unnamed".to_owned())
}

/// The pod's name, and what tells this process from one before it in the same pod.
fn identity() -> String {
    format!(
        "{}_{:08x}",
        pod_name(),
        RandomState::new().hash_one(std::process::id()) >> 32
    )
}

#[cfg(test)]
mod tests;
