//! From start to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use user_adapter_grpc::RpcMetrics;
use user_adapter_memory::{Capacity, MemoryStorage};
use user_adapter_stdout::JsonLines;
use user_settings::{Events, FLUSH_TIMEOUT, Settings, Storage};

use crate::health::Health;
use crate::metrics::{RelayMetrics, StorageMetrics, register_process};
use crate::serve::{Limits, serve};
use crate::{ServiceError, admin, build, grpc, listener, relay};

/// Connections at a time on the gRPC port. Clients hold one or a few each, so this is thousands of clients.
const GRPC_CONNECTIONS: usize = 4096;
/// Connections at a time on the admin port, which only probes and scrapers use.
const ADMIN_CONNECTIONS: usize = 64;
/// Calls in flight on one connection of the admin port.
const ADMIN_STREAMS: u32 = 16;
/// Time for the admin port to finish its answers, after everything else has stopped.
const ADMIN_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A service that has its ports and does not serve yet.
#[derive(Debug)]
pub struct Service {
    settings: Settings,
    grpc: TcpListener,
    admin: TcpListener,
    started: SystemTime,
}

/// How a service ended that was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every call in flight was answered and every event published.
    Clean,
    /// Calls were cut or events were left, because the time for them was over. The log says which.
    CutShort,
}

impl Service {
    /// Takes both ports. Has to be called inside a runtime.
    ///
    /// # Errors
    /// A port cannot be taken.
    pub fn bind(settings: &Settings) -> Result<Self, ServiceError> {
        Ok(Self {
            settings: settings.clone(),
            grpc: listener::bind("gRPC", settings.grpc_address)?,
            admin: listener::bind("admin", settings.admin_address)?,
            started: SystemTime::now(),
        })
    }

    /// Where gRPC calls are answered, with the port that the kernel chose if 0 was asked for.
    ///
    /// # Errors
    /// The system does not say.
    pub fn grpc_address(&self) -> Result<SocketAddr, ServiceError> {
        Ok(self.grpc.local_addr()?)
    }

    /// Where health and metrics are served.
    ///
    /// # Errors
    /// The system does not say.
    pub fn admin_address(&self) -> Result<SocketAddr, ServiceError> {
        Ok(self.admin.local_addr()?)
    }

    /// Serves until `shutdown` resolves, then stops in order: `NOT_SERVING` is announced, calls are still taken for the
    /// drain delay, calls in flight finish within the drain timeout, what is in the outbox is published within
    /// [`FLUSH_TIMEOUT`]. The admin port answers until the end.
    ///
    /// # Errors
    /// Something that should last as long as the service ended before it.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<Stopped, ServiceError> {
        log_start(&self.settings, self.grpc_address()?, self.admin_address()?);
        let settings = self.settings.clone();
        let mut running = Running::start(self).await?;
        running.health.serving().await;
        tracing::info!("serving");
        tokio::select! {
            () = shutdown => Ok(running.stop(&settings).await),
            task = running.ended() => Err(ServiceError::TaskEnded { task }),
        }
    }
}

/// What lasts as long as the service.
struct Running {
    health: Health,
    grpc: Task<usize>,
    admin: Task<usize>,
    relay: Task<()>,
}

/// A task, and the way to ask it to end.
struct Task<T> {
    handle: JoinHandle<T>,
    stop: CancellationToken,
}

impl Running {
    async fn start(service: Service) -> Result<Self, ServiceError> {
        let health = Health::starting().await;
        let mut registry = Registry::default();
        register_process(&mut registry, service.started);
        let rpc_metrics = grpc::register_metrics(&mut registry)?;
        let relay_metrics = RelayMetrics::register(&mut registry);
        let storage = match service.settings.storage {
            Storage::Memory => MemoryStorage::new(Capacity::default()),
        };
        registry.register_collector(Box::new(StorageMetrics(storage.clone())));
        let publisher = match service.settings.events {
            Events::Stdout => JsonLines::new(tokio::io::stdout()),
        };
        let grpc = serve_grpc(
            &service.settings,
            service.grpc,
            &storage,
            &health,
            rpc_metrics,
        )?;
        let admin = serve_admin(service.admin, &health, registry);
        let relay = Task::spawn(|stop| relay::spawn(storage, publisher, relay_metrics, stop));
        Ok(Self {
            health,
            grpc,
            admin,
            relay,
        })
    }

    /// Resolves with its name when one of the tasks ends, which none should before it is asked to.
    async fn ended(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.grpc.handle => "gRPC",
            _ = &mut self.admin.handle => "admin",
            _ = &mut self.relay.handle => "relay",
        }
    }

    async fn stop(mut self, settings: &Settings) -> Stopped {
        self.health.draining().await;
        let delay = settings.server.drain_delay;
        tracing::info!(
            ?delay,
            "draining: NOT_SERVING announced, still taking calls"
        );
        tokio::time::sleep(delay).await;
        self.health.end_watches().await;
        let cut = self.grpc.stop().await;
        if let Some(calls) = cut.filter(|cut| *cut > 0) {
            let timeout = settings.server.drain_timeout;
            tracing::warn!(calls, ?timeout, "drain timed out, calls were cut");
        }
        let flushed = tokio::time::timeout(FLUSH_TIMEOUT, self.relay.stop()).await;
        if flushed.is_err() {
            tracing::warn!(timeout = ?FLUSH_TIMEOUT, "flush timed out, events were left unpublished");
        }
        self.admin.stop().await;
        tracing::info!("stopped");
        if cut == Some(0) && matches!(flushed, Ok(Some(()))) {
            Stopped::Clean
        } else {
            Stopped::CutShort
        }
    }
}

impl<T> Task<T> {
    fn spawn(start: impl FnOnce(CancellationToken) -> JoinHandle<T>) -> Self {
        let stop = CancellationToken::new();
        Self {
            handle: start(stop.clone()),
            stop,
        }
    }

    /// Asks the task to end and waits for it; `None` if it panicked.
    async fn stop(&mut self) -> Option<T> {
        self.stop.cancel();
        match (&mut self.handle).await {
            Ok(result) => Some(result),
            Err(error) => {
                tracing::error!(%error, "a task failed");
                None
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

fn serve_grpc(
    settings: &Settings,
    listener: TcpListener,
    storage: &MemoryStorage,
    health: &Health,
    metrics: RpcMetrics,
) -> Result<Task<usize>, ServiceError> {
    let service = grpc::service(&settings.server, storage.clone(), health, metrics)?;
    let limits = Limits {
        connections: GRPC_CONNECTIONS,
        concurrent_streams: settings.server.max_concurrent_streams,
        drain_timeout: settings.server.drain_timeout,
        http2_only: true,
    };
    Ok(Task::spawn(|stop| {
        tokio::spawn(serve(listener, service, limits, stop))
    }))
}

fn serve_admin(listener: TcpListener, health: &Health, registry: Registry) -> Task<usize> {
    let router = admin::router(health, Arc::new(registry));
    let limits = Limits {
        connections: ADMIN_CONNECTIONS,
        concurrent_streams: ADMIN_STREAMS,
        drain_timeout: ADMIN_DRAIN_TIMEOUT,
        http2_only: false,
    };
    Task::spawn(|stop| tokio::spawn(serve(listener, router, limits, stop)))
}

/// Says what runs, where, and with which settings. No setting holds a secret.
fn log_start(settings: &Settings, grpc: SocketAddr, admin: SocketAddr) {
    let vars: Vec<String> = settings
        .to_vars()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    tracing::info!(
        version = build::VERSION,
        grpc_address = %grpc,
        admin_address = %admin,
        settings = vars.join(" "),
        "starting"
    );
}
