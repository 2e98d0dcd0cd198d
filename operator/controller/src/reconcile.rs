//! One pass over one resource: dereference, plan, apply.

use std::{sync::Arc, time::Instant};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{Client, ResourceExt, core::DeserializeGuard, runtime::controller::Action};
use operator_api::UserService;
use operator_core::{Release, plan, refused};

use crate::{
    backoff::{self, Backoff},
    cluster::{self, Cluster},
    metrics::{Metrics, Outcome},
};

/// What every pass shares.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) release: Release,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) backoff: Backoff,
}

/// Why a pass failed. All of them are tried again, later each time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The stored object does not fit the schema that this operator knows.
    #[error("cannot be read as a UserService: {0}")]
    Malformed(String),
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error("cannot serialise a child: {0}")]
    Plan(#[from] serde_json::Error),
}

pub(crate) async fn reconcile(
    guard: Arc<DeserializeGuard<UserService>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let start = Instant::now();
    let result = pass(&guard, &context).await;
    let outcome = if result.is_ok() {
        Outcome::Ok
    } else {
        Outcome::Error
    };
    context.metrics.reconciled(outcome, start.elapsed());
    if result.is_ok() {
        context.backoff.reset(&key(&guard));
    }
    result
}

/// Decides when a failed pass is tried again, and says why it failed.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(crate) fn on_error(
    guard: Arc<DeserializeGuard<UserService>>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let delay = context.backoff.next(&key(&guard));
    tracing::warn!(resource = key(&guard), %error, retry_in_ms = delay.as_millis(), "reconcile failed");
    Action::requeue(delay)
}

async fn pass(guard: &DeserializeGuard<UserService>, context: &Context) -> Result<Action, Error> {
    let resource = guard
        .0
        .as_ref()
        .map_err(|invalid| Error::Malformed(invalid.error.clone()))?;
    if resource.metadata.deletion_timestamp.is_some() {
        // Children go with their owner; writing now would only bring them back.
        return Ok(Action::await_change());
    }
    let namespace = resource.namespace().unwrap_or_default();
    let name = resource.name_any();
    let cluster = Cluster {
        client: context.client.clone(),
        metrics: &context.metrics,
        namespace: &namespace,
        name: &name,
    };
    let world = cluster.dereference(resource, &context.release).await?;
    let now = Time(Timestamp::now());
    let plan = plan(&world, resource, &context.release, &now)?;
    if let Err(error) = cluster.apply(&plan).await {
        let status = error
            .refusal()
            .and_then(|refusal| refused(&world, resource, refusal, &now));
        if let Some(status) = status {
            cluster.report(&status).await?;
        }
        return Err(error.into());
    }
    Ok(Action::requeue(
        plan.requeue.unwrap_or_else(|| backoff::resync(&key(guard))),
    ))
}

fn key(guard: &DeserializeGuard<UserService>) -> String {
    format!(
        "{}/{}",
        guard.namespace().unwrap_or_default(),
        guard.name_any()
    )
}
