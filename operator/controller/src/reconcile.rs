//! One pass over one resource: dereference, plan, apply.

mod look;

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{Client, Resource, ResourceExt, core::DeserializeGuard, runtime::controller::Action};
use operator_api::UserService;
use operator_core::{Release, WRITE_RECHECK, has_finalizer, is_its_turn, is_outdated, refused};
use tokio::sync::Semaphore;
use tracing::Instrument;

use self::look::{Looked, look};
use crate::{
    backoff::{self, Backoff},
    client::Throttle,
    cluster::{self, Cluster},
    kafka::{Busy, Permits},
    leadership::{Claim, LONGEST_WRITE, NotLeading},
    metrics::{Metrics, Outcome},
    queue::Queue,
    watching::Known,
};

/// How often a resource looks whether it is its turn to be moved to a newer operator.
const TURN_RECHECK: Duration = Duration::from_secs(10);

/// What every pass shares.
pub(crate) struct Context {
    pub(crate) client: Client,
    /// Every resource, as last seen.
    pub(crate) known: Known,
    pub(crate) release: Release,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) backoff: Backoff,
    pub(crate) queue: Queue,
    /// Whether and how long this replica leads.
    pub(crate) claim: Claim,
    /// Whether the API server asked to be left alone.
    pub(crate) throttle: Throttle,
    /// One permit for each pass, in whichever namespace.
    pub(crate) passes: Semaphore,
    /// One permit for each pass that speaks to a Kafka.
    pub(crate) kafka: Permits,
}

/// Why a pass failed. All of them are tried again, later each time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The stored object does not fit the schema that this operator knows.
    #[error("cannot be read as a UserService: {0}")]
    Malformed(String),
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    #[error("cannot serialise a child: {0}")]
    Plan(#[from] serde_json::Error),
    #[error("panicked, which is a bug: {0}")]
    Panicked(String),
}

impl Error {
    fn panicked(payload: &(dyn Any + Send)) -> Self {
        let literal = payload.downcast_ref::<&str>().map(ToString::to_string);
        let said = literal.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked(said.unwrap_or_else(|| "without a message".to_owned()))
    }
}

pub(crate) async fn reconcile(
    guard: Arc<DeserializeGuard<UserService>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    if context.claim.held().await {
        // What was known of the resource before may be outdated by now.
        return Ok(Action::requeue(Duration::ZERO));
    }
    if let Some(wait) = context.throttle.remaining() {
        return Ok(Action::requeue(backoff::after(wait, &key(&guard))));
    }
    let _permit = context.passes.acquire().await;
    context.queue.taken(&key(&guard));
    let start = Instant::now();
    let (namespace, resource) = (guard.namespace(), guard.name_any());
    let span = tracing::info_span!("reconcile", namespace, resource);
    // What panics in a task of kube's controller ends the process, and with it all other passes.
    let result = AssertUnwindSafe(pass(&guard, &context).instrument(span.clone()))
        .catch_unwind()
        .await
        .unwrap_or_else(|payload| Err(Error::panicked(payload.as_ref())));
    let outcome = match &result {
        Ok(_) => Outcome::Ok,
        Err(Error::Panicked(_)) => Outcome::Panic,
        Err(_) => Outcome::Error,
    };
    let took = start.elapsed();
    context.metrics.reconciled(outcome, took);
    let (ok, took_s) = (result.is_ok(), took.as_secs_f64());
    span.in_scope(|| tracing::debug!(ok, took_s, "pass ended"));
    result
}

/// Decides when a failed pass is tried again, and says why it failed.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
pub(crate) fn on_error(
    guard: Arc<DeserializeGuard<UserService>>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let key = key(&guard);
    let delay = context.backoff.next(&key);
    let asked = context.throttle.remaining();
    let delay = asked.map_or(delay, |asked| delay.max(backoff::after(asked, &key)));
    tracing::warn!(resource = key, %error, retry_in_s = delay.as_secs_f64(), "reconcile failed");
    Action::requeue(delay)
}

async fn pass(guard: &DeserializeGuard<UserService>, context: &Context) -> Result<Action, Error> {
    let (namespace, name) = (guard.namespace().unwrap_or_default(), guard.name_any());
    let cluster = Cluster {
        client: context.client.clone(),
        metrics: &context.metrics,
        children: context.known.children(&namespace),
        namespace: &namespace,
        name: &name,
    };
    let resource = match &guard.0 {
        Ok(resource) => resource,
        Err(invalid) => {
            let error = Error::Malformed(invalid.error.clone());
            // It stays so until somebody changes it: told once, not with each retry.
            if !context.backoff.has_failed(&key(guard)) {
                let us = guard.object_ref(&());
                cluster.tell_malformed(us, &error.to_string()).await;
            }
            return Err(error);
        }
    };
    if resource.metadata.deletion_timestamp.is_some() {
        if !has_finalizer(resource) {
            // Children go with their owner; writing now would only bring them back.
            context.backoff.reset(&key(guard));
            return Ok(Action::await_change());
        }
        return remove(&cluster, resource, context, &key(guard)).await;
    }
    keep(&cluster, resource, context, &key(guard)).await
}

/// Keeps a resource as described.
async fn keep(
    cluster: &Cluster<'_>,
    resource: &UserService,
    context: &Context,
    key: &str,
) -> Result<Action, Error> {
    let release = release_for(resource, context);
    let Looked {
        mut world,
        session,
        busy,
        permit: _permit,
    } = look(cluster, resource, context, &release).await?;
    let now = Time(Timestamp::now());
    let mut plan = operator_core::plan(&world, resource, &release, &now)?;
    let done = async {
        if let Some(hold) = plan.finalizer {
            cluster.hold(resource, hold).await?;
        }
        let mut is_told = false;
        if let Some(session) = session.filter(|_| !plan.topics.is_empty()) {
            let write = context.claim.begin(LONGEST_WRITE)?;
            world.topics = session.change(&plan.topics, write).await;
            plan = operator_core::plan(&world, resource, &release, &now)?;
            // First of all: which topics are ours cannot be found out again.
            if let Some(status) = plan.status.take() {
                cluster.report(resource, &status).await?;
                is_told = true;
            }
        }
        let mut is_done = cluster.apply(&mut world, &plan).await?;
        if !world.written.is_empty() && !is_told {
            // Told once, as it is by now, and not also that it was being written.
            let deletes = std::mem::take(&mut plan.deletes);
            plan = operator_core::plan(&world, resource, &release, &now)?;
            is_done &= plan.deletes.iter().all(|delete| deletes.contains(delete));
        }
        if let Some(status) = &plan.status {
            cluster.report(resource, status).await?;
        }
        Ok::<_, Error>(is_done)
    };
    let is_done = match done.await {
        Ok(is_done) => is_done,
        Err(error) => {
            let status = match &error {
                Error::Cluster(error) => error.refusal(),
                _ => None,
            }
            .and_then(|refusal| refused(&world, resource, refusal, &now));
            if let Some(status) = status {
                cluster.report(resource, &status).await?;
            }
            return Err(error);
        }
    };
    let again = (!is_done).then_some(WRITE_RECHECK);
    let turn = is_outdated(resource, &release) && !release.renews;
    let turn = turn.then_some(TURN_RECHECK);
    let requeue = [plan.requeue.or(turn), again].into_iter().flatten().min();
    Ok(match busy {
        Some(busy) => later(context, key, requeue, busy),
        None => next(context, key, requeue, plan.troubled),
    })
}

/// What the operator makes of a resource, be it now or not before its turn.
fn release_for(resource: &UserService, context: &Context) -> Release {
    let renews = is_outdated(resource, &context.release) && context.known.is_ready() && {
        let all = context.known.state();
        let all = all.iter().filter_map(|other| other.0.as_ref().ok());
        is_its_turn(resource, all, &context.release)
    };
    Release {
        renews,
        ..context.release.clone()
    }
}

/// Does what has to be done before a resource may go.
async fn remove(
    cluster: &Cluster<'_>,
    resource: &UserService,
    context: &Context,
    key: &str,
) -> Result<Action, Error> {
    let Looked {
        mut world,
        session,
        busy,
        permit: _permit,
    } = look(cluster, resource, context, &context.release).await?;
    if let Some(busy) = busy {
        return Ok(later(context, key, None, busy));
    }
    let now = Time(Timestamp::now());
    let mut removal = operator_core::removal(&world, resource, &now);
    for delete in &removal.deletes {
        // It is looked at again in any case.
        cluster.delete(delete).await?;
    }
    if let Some(session) = session.filter(|_| !removal.topics.is_empty()) {
        let write = context.claim.begin(LONGEST_WRITE)?;
        world.topics = session.change(&removal.topics, write).await;
        removal = operator_core::removal(&world, resource, &now);
    }
    let mut terminating = None;
    if removal.troubled || removal.left_behind.is_some() {
        terminating = cluster.terminating().await;
        world.is_terminating = terminating.is_some();
        removal = operator_core::removal(&world, resource, &now);
    }
    if let Some(status) = &removal.status {
        cluster.report(resource, status).await?;
    }
    if let Some(message) = &removal.left_behind {
        cluster
            .tell_left_behind(resource, terminating.as_ref(), message)
            .await;
    }
    if removal.release {
        cluster.hold(resource, false).await?;
        context.backoff.reset(key);
        return Ok(Action::await_change());
    }
    Ok(next(context, key, removal.requeue, removal.troubled))
}

/// When to look again; with trouble outside later each time.
fn next(context: &Context, key: &str, planned: Option<Duration>, troubled: bool) -> Action {
    if troubled {
        let delay = context.backoff.next(key);
        return Action::requeue(planned.map_or(delay, |planned| planned.max(delay)));
    }
    context.backoff.reset(key);
    Action::requeue(planned.unwrap_or_else(|| backoff::resync(key)))
}

/// When to look again where Kafka was not asked. That others are in the way is no failure, and no success either.
fn later(context: &Context, key: &str, planned: Option<Duration>, busy: Busy) -> Action {
    match busy {
        Busy::Cluster => next(context, key, planned, true),
        Busy::Others => {
            let recheck = backoff::recheck(key);
            Action::requeue(planned.map_or(recheck, |planned| planned.min(recheck)))
        }
    }
}

fn key(guard: &DeserializeGuard<UserService>) -> String {
    format!(
        "{}/{}",
        guard.namespace().unwrap_or_default(),
        guard.name_any()
    )
}

#[cfg(test)]
#[path = "reconcile/deletes_tests.rs"]
mod deletes_tests;
#[cfg(test)]
#[path = "reconcile/places_tests.rs"]
mod places_tests;
#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "reconcile/topics_tests.rs"]
mod topics_tests;
#[cfg(test)]
#[path = "reconcile/writes_tests.rs"]
mod writes_tests;
