//! What `/metrics` shows, sent now and then: one registry is counted in and read for both, so that a call costs the same.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use prometheus_client::encoding::prometheus_protobuf::encode;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use user_settings::Telemetry;

use super::SEND_TIMEOUT;
use super::convert::{self, Period};
use crate::metrics::OtlpCounters;
use crate::telemetry::{Dependency, Journal};
use crate::{ServiceError, build};

/// Between two times; as often as scrapers mostly ask.
const INTERVAL: Duration = Duration::from_secs(15);

/// Sends until it is stopped.
pub(super) struct Sending {
    task: JoinHandle<bool>,
    stop: CancellationToken,
}

impl Sending {
    /// Begins. Has to be called inside the runtime that sends.
    pub(super) fn start(
        telemetry: &Telemetry,
        resource: &Resource,
        registry: Arc<Registry>,
        (counters, journal): (OtlpCounters, Journal),
        started: SystemTime,
    ) -> Result<Self, ServiceError> {
        let channel = Endpoint::from_shared(telemetry.otlp_endpoint.clone())
            .map_err(|error| ServiceError::Otlp(error.into()))?
            .connect_timeout(SEND_TIMEOUT)
            .timeout(SEND_TIMEOUT)
            .connect_lazy();
        let sender = Sender {
            client: MetricsServiceClient::new(channel),
            resource: OtlpResource {
                attributes: ResourceAttributesWithSchema::from(resource).attributes.0,
                ..OtlpResource::default()
            },
            registry,
            counters,
            started,
            journal,
        };
        let stop = CancellationToken::new();
        Ok(Self {
            task: tokio::spawn(sender.run(stop.clone())),
            stop,
        })
    }

    /// Sends the last values; whether they arrived in time.
    pub(super) async fn stop(self, limit: Duration) -> bool {
        self.stop.cancel();
        let ended = tokio::time::timeout(limit, self.task).await;
        matches!(ended, Ok(Ok(true)))
    }
}

struct Sender {
    client: MetricsServiceClient<Channel>,
    resource: OtlpResource,
    registry: Arc<Registry>,
    counters: OtlpCounters,
    started: SystemTime,
    journal: Journal,
}

impl Sender {
    async fn run(mut self, stop: CancellationToken) -> bool {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let again = async {
            loop {
                ticks.tick().await;
                self.send().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = again => {}
        }
        self.send().await
    }

    /// Whether all of it arrived.
    async fn send(&mut self) -> bool {
        let (request, points) = match self.request() {
            Ok(request) => request,
            Err(error) => {
                self.heard(Err(&error));
                return false;
            }
        };
        let outcome = self.client.export(request).await;
        let refused = match &outcome {
            Ok(answer) => answer.get_ref().partial_success.as_ref(),
            Err(_) => None,
        };
        let refused = refused.map_or(0, |partly| partly.rejected_data_points);
        let outcome: Result<(), Status> = match outcome {
            Ok(_) if refused > 0 => Err(Status::aborted(format!("{refused} values were refused"))),
            outcome => outcome.map(|_| ()),
        };
        self.counters.points(points, outcome.is_ok());
        self.heard(outcome.as_ref().map(|&()| ()));
        outcome.is_ok()
    }

    fn heard<E: fmt::Display>(&self, outcome: Result<(), &E>) {
        let why_not = outcome.err().map(ToString::to_string);
        self.journal
            .heard(Dependency::Metrics, why_not.as_deref().map_or(Ok(()), Err));
    }

    /// What is registered as it stands, and how many values that is.
    fn request(&self) -> Result<(ExportMetricsServiceRequest, usize), fmt::Error> {
        let period = Period::until_now(self.started);
        let metrics = convert::metrics(encode(&self.registry)?, period);
        let points = metrics.iter().map(convert::points).sum();
        let scope = InstrumentationScope {
            name: build::NAME.to_owned(),
            version: build::VERSION.to_owned(),
            ..InstrumentationScope::default()
        };
        let resource_metrics = vec![ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }];
        Ok((ExportMetricsServiceRequest { resource_metrics }, points))
    }
}
