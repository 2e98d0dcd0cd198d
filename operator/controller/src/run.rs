//! Wiring of the long-running operator.

use std::{future::pending, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, future::join_all};
use kube::{
    Api, Client,
    api::ListParams,
    core::DeserializeGuard,
    runtime::{controller, reflector::ObjectRef, watcher},
};
use operator_api::UserService;
use operator_core::Release;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::{
    admin::{self, Admin},
    backoff::Backoff,
    client::{self, Throttle},
    kafka::Permits,
    leadership::{Candidate, Claim, Lost},
    metrics::Metrics,
    queue::Queue,
    reconcile::{self, Context, on_error, reconcile},
    telemetry::{self, LogLevel},
    watching::{self, Looked, Place},
};

/// Bound for the first look at the cluster.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// How long passes that have begun may go on after a signal, before another replica is to lead.
const GRACE: Duration = Duration::from_millis(400);

/// A pass over one resource, and when the next one is due.
type Passed = (ObjectRef<DeserializeGuard<UserService>>, controller::Action);

/// What the command line decides.
pub(crate) struct Options {
    pub(crate) release: Release,
    pub(crate) admin_address: SocketAddr,
    /// Resources reconciled at the same time, in all places together.
    pub(crate) concurrency: u16,
    pub(crate) places: Vec<Place>,
}

/// Why the operator could not start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot start the runtime: {0}")]
    Runtime(std::io::Error),
    #[error("cannot listen for signals: {0}")]
    Signal(std::io::Error),
    #[error(transparent)]
    Client(#[from] client::Error),
    #[error(
        "cannot list UserServices; is the CRD installed (userservice-operator crd | kubectl apply --server-side -f -)? {0}"
    )]
    List(kube::Error),
    #[error("the API server did not answer within {FIRST_LOOK:?}")]
    Silent,
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the admin listener broke: {0}")]
    Admin(std::io::Error),
    #[error("leads no more: {0}")]
    Lost(#[from] Lost),
}

/// Runs until SIGTERM or SIGINT, or until another replica leads after this one did.
pub(crate) fn run(options: Options) -> Result<(), Error> {
    let log_level = telemetry::install();
    // More than one TLS provider may be linked; naming one keeps rustls from having to guess.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Runtime::new()
        .map_err(Error::Runtime)?
        .block_on(operate(options, log_level))
}

async fn operate(options: Options, log_level: LogLevel) -> Result<(), Error> {
    let stop = stop_on_signal().map_err(Error::Signal)?;
    let claim = Claim::new();
    let metrics = Arc::new(Metrics::new());
    let throttle = Throttle::default();
    let (client, unfenced) = client::clients(&claim, &metrics, &throttle).await?;
    let places = tokio::select! {
        () = stopped(stop.clone()) => return Ok(()),
        answer = first_look(&client, options.places) => answer?,
    };
    let listener = TcpListener::bind(options.admin_address)
        .await
        .map_err(|source| Error::Listen {
            address: options.admin_address,
            source,
        })?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        // The port may have been chosen here.
        admin_address = %listener.local_addr().unwrap_or(options.admin_address),
        concurrency = options.concurrency,
        service_repository = options.release.repository,
        service_version = options.release.version,
        "starting"
    );

    let queue = Queue::default();
    let concurrency = options.concurrency;
    let (controllers, known) = watching::controllers(&client, places, concurrency, &queue);
    let context = Arc::new(Context {
        client,
        known: known.clone(),
        release: options.release,
        metrics: Arc::clone(&metrics),
        backoff: Backoff::default(),
        queue: queue.clone(),
        claim: claim.clone(),
        throttle,
        passes: Semaphore::new(concurrency.into()),
        kafka: Permits::of(concurrency),
    });
    let passes = controllers.into_iter().map(|controller| {
        let context = Arc::clone(&context);
        controller
            .graceful_shutdown_on(stopped(stop.clone()))
            .run(reconcile, on_error, Arc::clone(&context))
            .for_each(move |result| {
                seen(&context, result);
                std::future::ready(())
            })
    });
    let passes = join_all(passes);
    let mut passes = pin!(passes.fuse());
    let mut candidate = Candidate::new(unfenced, claim, Arc::clone(&metrics));
    let admin = Admin {
        metrics,
        known,
        queue,
        log_level,
    };
    tokio::select! {
        _ = &mut passes => {}
        () = overdue(stop) => {}
        served = admin::serve(listener, admin) => served.map_err(Error::Admin)?,
        lost = candidate.lead() => return Err(lost.into()),
    }
    tokio::select! {
        () = candidate.resign() => {}
        // What has begun to write is to end; nothing else begins to.
        () = async { passes.await; pending().await } => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// Passes that a stop waits for no longer.
async fn overdue(stop: watch::Receiver<bool>) {
    stopped(stop).await;
    tokio::time::sleep(GRACE).await;
}

/// Fails early, with a way out, where the rest would only retry. A namespace that is closed while
/// others are open may be gone, and its rights with it: it holds up none of them.
async fn first_look(client: &Client, places: Vec<Place>) -> Result<Vec<Looked>, Error> {
    let looks = places.into_iter().map(|place| async {
        let resources: Api<DeserializeGuard<UserService>> = place.api(client);
        let params = ListParams::default().limit(1);
        (resources.list(&params).await, place)
    });
    let answers = timeout(FIRST_LOOK, join_all(looks))
        .await
        .map_err(|_| Error::Silent)?;
    let (mut looked, mut refusal) = (Vec::new(), None);
    for (answer, place) in answers {
        let is_refused = match answer {
            Ok(_) => false,
            Err(error) if is_forbidden(&error) => {
                tracing::warn!(%place, %error, "cannot be watched");
                refusal = Some(error);
                true
            }
            Err(error) => return Err(Error::List(error)),
        };
        looked.push(Looked { place, is_refused });
    }
    match refusal {
        Some(refusal) if looked.iter().all(|looked| looked.is_refused) => Err(Error::List(refusal)),
        _ => Ok(looked),
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

/// What comes out of the controller beside the failures of passes, which `on_error` has told.
fn seen(
    context: &Context,
    result: Result<Passed, controller::Error<reconcile::Error, watcher::Error>>,
) {
    match result {
        // Deleted before it could be looked at again.
        Err(controller::Error::ObjectNotFound(object)) => {
            let key = format!("{}/{}", object.namespace.unwrap_or_default(), object.name);
            context.backoff.reset(&key);
            context.queue.taken(&key);
        }
        Err(error @ (controller::Error::QueueError(_) | controller::Error::RunnerError(_))) => {
            tracing::warn!(%error, "watch");
        }
        Err(controller::Error::ReconcilerFailed(..)) | Ok(_) => {}
    }
}

/// Becomes true on SIGTERM or SIGINT; listens from now on.
fn stop_on_signal() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        sender.send_replace(true);
    });
    Ok(receiver)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{failure, server};

    /// A first look at these namespaces, of which `team-b` is closed.
    async fn look_at(namespaces: &[&str]) -> Result<Vec<bool>, Error> {
        let (client, _log) = server(|asked| {
            if asked.path.contains("/team-b/") {
                return failure(403, "Forbidden");
            }
            (200, json!({"metadata": {}, "items": []}))
        })
        .await;
        let places = Place::of(namespaces.iter().map(ToString::to_string).collect());
        let looked = first_look(&client, places).await?;
        Ok(looked.iter().map(|looked| looked.is_refused).collect())
    }

    #[tokio::test]
    async fn a_closed_namespace_holds_up_no_open_one() {
        assert_eq!(look_at(&["team-a", "team-b"]).await.unwrap(), [false, true]);
        assert_eq!(look_at(&[]).await.unwrap(), [false]);
    }

    #[tokio::test]
    async fn where_every_namespace_is_closed_the_operator_does_not_start() {
        let error = look_at(&["team-b"]).await.unwrap_err();
        assert!(matches!(error, Error::List(_)), "{error}");
    }
}
