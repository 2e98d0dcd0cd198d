//! What `grpc.health.v1.Health` answers on both listeners.

use std::sync::{Arc, Mutex, PoisonError};

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use user_settings::health;

/// The name that stands for the server as a whole.
const WHOLE_SERVER: &str = "";

/// Health on the gRPC port and on the admin port, changed together.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    api: HealthReporter,
    probes: HealthReporter,
    phase: Arc<Mutex<Phase>>,
}

/// How far the life of the service has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// What it needs to begin is not all there.
    #[default]
    Starting,
    Serving,
    /// It was asked to stop.
    Draining,
}

impl Health {
    /// Alive, and not yet ready.
    pub(crate) async fn starting() -> Self {
        let health = Self {
            api: HealthReporter::new(),
            probes: HealthReporter::new(),
            phase: Arc::default(),
        };
        health
            .probes
            .set_service_status(health::LIVENESS, ServingStatus::Serving)
            .await;
        health
            .set_ready(ServingStatus::NotServing, Phase::Starting)
            .await;
        health
    }

    /// Ready, from here until the drain: readiness does not follow every passing fault of what the service depends on,
    /// since taking all pods away at once helps nobody.
    pub(crate) async fn serving(&self) {
        self.set_ready(ServingStatus::Serving, Phase::Serving).await;
    }

    /// Not ready any more.
    pub(crate) async fn draining(&self) {
        self.set_ready(ServingStatus::NotServing, Phase::Draining)
            .await;
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the watches on the gRPC port, which have no end of their own and would hold the drain up.
    pub(crate) async fn end_watches(&mut self) {
        for service in [WHOLE_SERVER, health::API] {
            self.api.clear_service_status(service).await;
        }
    }

    /// The service for the gRPC port.
    pub(crate) fn api_server(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.api.clone()))
    }

    /// The service for the admin port.
    pub(crate) fn probe_server(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.probes.clone()))
    }

    async fn set_ready(&self, status: ServingStatus, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        for service in [WHOLE_SERVER, health::API] {
            self.api.set_service_status(service, status).await;
        }
        for service in [WHOLE_SERVER, health::READINESS] {
            self.probes.set_service_status(service, status).await;
        }
    }
}
