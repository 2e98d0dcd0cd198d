//! From start to stop.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use user_settings::{FLUSH_TIMEOUT, Settings};

use crate::health::Health;
use crate::limits::{Age, Limits};
use crate::metrics::Metrics;
use crate::serve::serve;
use crate::task::Task;
use crate::telemetry::{Event, Journal, Otlp};
use crate::wiring::{self, Backends};
use crate::{ServiceError, admin, build, listener};

/// Connections at a time on the admin port, which only probes and scrapers use. Whoever reaches it may ask for more, and
/// probes have to be answered all the same.
const ADMIN_CONNECTIONS: usize = 64;
/// How long one lives. Probes make one each, and scrapers a new one by themselves.
const ADMIN_AGE: Age = Age {
    max: Duration::from_mins(1),
    // A scrape that has begun is given up by Prometheus after that time.
    grace: Duration::from_secs(10),
};
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
    /// drain delay, calls in flight finish within the drain timeout, what is in hand of the outbox is published within
    /// [`FLUSH_TIMEOUT`]. The admin port answers from the beginning to the end.
    ///
    /// # Errors
    /// What it works with does not suit it, or something that should last as long as the service ended before it.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<Stopped, ServiceError> {
        log_start(&self.settings, self.grpc_address()?, self.admin_address()?);
        let health = Health::starting().await;
        let (metrics, registry) = Metrics::register(self.started)?;
        let mut shutdown = pin!(shutdown);
        let registry = Arc::new(registry);
        let telemetry = &self.settings.telemetry;
        let journal = Journal::new(&metrics);
        let otlp = Otlp::start(telemetry, &metrics.otlp, &journal, &registry, self.started)?;
        let backends = wiring::start(&self.settings, self.grpc, &health, &metrics, &journal);
        let admin = serve_admin(self.admin, &health, registry, journal.clone());
        let backends = tokio::select! {
            backends = backends => backends?,
            () = &mut shutdown => return Ok(Stopped::Clean),
        };
        let mut running = Running {
            health,
            backends,
            admin,
            otlp,
            journal,
        };
        running.health.serving().await;
        running.journal.tell(Event::Serving);
        tokio::select! {
            () = shutdown => Ok(running.stop(&self.settings).await),
            task = running.ended() => Err(ServiceError::TaskEnded { task }),
        }
    }
}

/// What lasts as long as the service.
struct Running {
    health: Health,
    backends: Backends,
    admin: Task<usize>,
    otlp: Option<Otlp>,
    journal: Journal,
}

impl Running {
    /// Resolves with its name when one of the tasks ends, which none should before it is asked to.
    async fn ended(&mut self) -> &'static str {
        tokio::select! {
            () = self.backends.grpc.ended() => "gRPC",
            () = self.admin.ended() => "admin",
            () = self.backends.relay.ended() => "relay",
        }
    }

    async fn stop(mut self, settings: &Settings) -> Stopped {
        self.health.draining().await;
        let delay = settings.server.drain_delay;
        self.journal.tell(Event::Draining(delay));
        tokio::time::sleep(delay).await;
        self.health.end_watches().await;
        let cut = self.backends.grpc.stop().await;
        if let Some(calls) = cut.filter(|cut| *cut > 0) {
            let timeout = settings.server.drain_timeout;
            self.journal.tell(Event::CallsCut(calls, timeout));
        }
        let flushed = tokio::time::timeout(FLUSH_TIMEOUT, self.backends.flush()).await;
        if flushed.is_err() {
            self.journal.tell(Event::FlushTimedOut(FLUSH_TIMEOUT));
        }
        if let Some(otlp) = self.otlp.take()
            && !otlp.flush().await
        {
            self.journal.tell(Event::TelemetryLeft);
        }
        self.admin.stop().await;
        self.journal.tell(Event::Stopped);
        if cut == Some(0) && matches!(flushed, Ok(true)) {
            Stopped::Clean
        } else {
            Stopped::CutShort
        }
    }
}

fn serve_admin(
    listener: TcpListener,
    health: &Health,
    registry: Arc<Registry>,
    journal: Journal,
) -> Task<usize> {
    let router = admin::router(health, registry, journal.clone());
    let limits = Limits {
        connections: ADMIN_CONNECTIONS,
        concurrent_streams: ADMIN_STREAMS,
        age: Some(ADMIN_AGE),
        call_timeout: ADMIN_AGE.grace,
        drain_timeout: ADMIN_DRAIN_TIMEOUT,
        http2_only: false,
        makes_room: true,
    };
    let router_for = move |peer| admin::for_peer(&router, peer);
    Task::spawn(|stop| tokio::spawn(serve(listener, None, router_for, limits, journal, stop)))
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
