//! Which adapters stand behind the ports, by the settings.

use std::pin::Pin;
use std::time::Duration;

use tokio::net::TcpListener;
use user_adapter_kafka::KafkaPublisher;
use user_adapter_memory::MemoryStorage;
use user_adapter_mongodb::MongoStorage;
use user_adapter_stdout::{JsonLines, Stdout};
use user_application::{EventPublisher, Outbox, UserRepository};
use user_settings::{Events, FLUSH_TIMEOUT, Settings, Storage};

use crate::health::Health;
use crate::limits::{Age, Limits};
use crate::metrics::Metrics;
use crate::serve::serve;
use crate::task::Task;
use crate::telemetry::Journal;
use crate::tls::{self, Started};
use crate::{ServiceError, database, descriptors, grpc, kafka, relay};

/// Connections at a time on the gRPC port. Clients hold one or a few each, so this is thousands of clients.
const GRPC_CONNECTIONS: usize = 4096;

/// What answers calls and what carries events out.
pub(crate) struct Backends {
    pub(crate) grpc: Task<usize>,
    pub(crate) relay: Task<()>,
    /// Keeps certificates current as long as this exists.
    _tls: Option<Task<()>>,
    close: Pin<Box<dyn Future<Output = bool> + Send>>,
}

impl Backends {
    /// Finishes what is in hand of the outbox, then writes that are under way; whether all of it was.
    pub(crate) async fn flush(&mut self) -> bool {
        let published = self.relay.stop().await.is_some();
        self.close.as_mut().await && published
    }
}

/// A storage that can serve as both ports.
trait Backend: UserRepository + Outbox + Clone {
    /// How many connections it may have at a time.
    fn connections(&self) -> usize;

    /// Ends what is under way; whether it ended in time.
    fn close(self) -> impl Future<Output = bool> + Send;
}

impl Backend for MemoryStorage {
    fn connections(&self) -> usize {
        0
    }

    async fn close(self) -> bool {
        true
    }
}

impl Backend for MongoStorage {
    fn connections(&self) -> usize {
        self.most_connections()
    }

    async fn close(self) -> bool {
        Self::close(&self, FLUSH_TIMEOUT).await
    }
}

/// Connects to what the settings name, waits until it is there and suits this version, and begins.
pub(crate) async fn start(
    settings: &Settings,
    listener: TcpListener,
    health: &Health,
    metrics: &Metrics,
    journal: &Journal,
) -> Result<Backends, ServiceError> {
    let parts = Parts {
        tls: tls::start(&settings.tls, journal)?,
        settings,
        listener,
        health,
        metrics,
        journal,
    };
    match settings.storage {
        Storage::Memory => with_storage(parts, metrics.memory.clone()).await,
        Storage::Mongodb => {
            let storage = database::connect(settings, Duration::MAX, journal).await?;
            database::wait_for_schema(&storage, journal).await?;
            with_storage(parts, storage).await
        }
    }
}

struct Parts<'a> {
    tls: Option<Started>,
    settings: &'a Settings,
    listener: TcpListener,
    health: &'a Health,
    metrics: &'a Metrics,
    journal: &'a Journal,
}

async fn with_storage<S: Backend>(parts: Parts<'_>, storage: S) -> Result<Backends, ServiceError> {
    match parts.settings.events {
        Events::Stdout => with_publisher(parts, storage, JsonLines::new(Stdout::default())),
        Events::Kafka => {
            let kafka = &parts.settings.kafka;
            let options = kafka::options(kafka);
            let framing = kafka::wait_for_schemas(kafka, &options.topics, parts.journal).await?;
            let observer = kafka::Observer {
                metrics: parts.metrics.producer.clone(),
                journal: parts.journal.clone(),
            };
            let publisher = KafkaPublisher::new(&options, framing, observer)?;
            // Ends with the publisher.
            tokio::spawn(publisher.keep_current(kafka::RELOAD_EVERY));
            with_publisher(parts, storage, publisher)
        }
    }
}

fn with_publisher<S: Backend, P: EventPublisher>(
    parts: Parts<'_>,
    storage: S,
    publisher: P,
) -> Result<Backends, ServiceError> {
    let server = &parts.settings.server;
    let service = grpc::service(
        parts.settings,
        storage.clone(),
        parts.health,
        parts.metrics.rpc.clone(),
    )?;
    let limits = Limits {
        connections: descriptors::for_connections(GRPC_CONNECTIONS, storage.connections()),
        concurrent_streams: server.max_concurrent_streams,
        age: Some(Age {
            max: server.max_connection_age,
            // Nobody stops: each call has the time that calls may take.
            grace: server.drain_timeout.max(server.request_timeout),
        }),
        call_timeout: server.request_timeout,
        drain_timeout: server.drain_timeout,
        http2_only: true,
        makes_room: false,
    };
    let (acceptor, reload) = match parts.tls {
        Some(tls) => (Some(tls.acceptor), Some(tls.reload)),
        None => (None, None),
    };
    let listener = parts.listener;
    let journal = parts.journal.clone();
    let grpc = Task::spawn(|stop| {
        let service_for = move |_| service.clone();
        tokio::spawn(serve(
            listener,
            acceptor,
            service_for,
            limits,
            journal,
            stop,
        ))
    });
    let within = kafka::options(&parts.settings.kafka).publish_within();
    let relay = Task::spawn(|stop| {
        relay::spawn(
            storage.clone(),
            publisher,
            within,
            parts.metrics.relay.clone(),
            parts.journal.clone(),
            stop,
        )
    });
    Ok(Backends {
        grpc,
        relay,
        _tls: reload,
        close: Box::pin(Backend::close(storage)),
    })
}
