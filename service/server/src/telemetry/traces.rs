//! Spans to a collector, by OTLP over gRPC.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter as OtlpExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use opentelemetry_semantic_conventions::attribute::{
    SERVICE_INSTANCE_ID, SERVICE_NAMESPACE, SERVICE_VERSION,
};
use tokio::runtime::{Builder, Runtime};
use user_settings::Telemetry;

use crate::metrics::SpanMetrics;
use crate::{ServiceError, build};

/// Spans that wait to be sent; further ones are dropped, so that a collector that is away costs no memory.
const QUEUE: usize = 2048;
const BATCH: usize = 512;
/// Longest wait of a span for others to be sent with.
const DELAY: Duration = Duration::from_secs(1);
/// Longest time for sending a batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for sending what is left at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends spans until it is flushed.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    /// Sending shares no thread with calls: neither can hold the other up.
    runtime: Option<Runtime>,
}

impl Traces {
    /// Makes spans go to the collector of the settings, if they name one.
    pub(crate) fn start(
        telemetry: &Telemetry,
        metrics: SpanMetrics,
    ) -> Result<Option<Self>, ServiceError> {
        if !telemetry.records() {
            return Ok(None);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()?;
        let exporter = {
            let _inside = runtime.enter();
            exporter(&telemetry.otlp_endpoint)?
        };
        let exporter = Watched {
            exporter,
            metrics,
            is_failing: AtomicBool::new(false),
        };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let begun_here = Sampler::TraceIdRatioBased(telemetry.sampling.ratio());
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(begun_here)))
            .with_resource(resource(telemetry))
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Some(Self {
            provider,
            runtime: Some(runtime),
        }))
    }

    /// Sends what is left; whether all of it was in time.
    pub(crate) async fn flush(self) -> bool {
        let provider = self.provider.clone();
        let flush = move || provider.shutdown_with_timeout(FLUSH_TIMEOUT).is_ok();
        tokio::task::spawn_blocking(flush).await.unwrap_or(false)
    }
}

impl Drop for Traces {
    /// A runtime that waits for its threads must not be dropped inside another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn exporter(endpoint: &str) -> Result<OtlpExporter, ExporterBuildError> {
    OtlpExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(SEND_TIMEOUT)
        .build()
}

/// Who the spans are from. In a pod the name of the host is the pod's.
fn resource(telemetry: &Telemetry) -> Resource {
    let mut attributes = vec![KeyValue::new(SERVICE_VERSION, build::VERSION)];
    if !telemetry.service_namespace.is_empty() {
        let namespace = telemetry.service_namespace.clone();
        attributes.push(KeyValue::new(SERVICE_NAMESPACE, namespace));
    }
    if let Ok(host) = std::env::var("HOSTNAME") {
        attributes.push(KeyValue::new(SERVICE_INSTANCE_ID, host));
    }
    Resource::builder()
        .with_service_name(telemetry.service_name.clone())
        .with_attributes(attributes)
        .build()
}

/// An exporter whose success is counted, and told in the log when it changes.
#[derive(Debug)]
struct Watched {
    exporter: OtlpExporter,
    metrics: SpanMetrics,
    is_failing: AtomicBool,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = self.exporter.export(batch).await;
        self.metrics.sent(spans, outcome.is_ok());
        let was_failing = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(error) if !was_failing => {
                tracing::warn!(%error, "spans cannot be sent; no more is said about it until they can");
            }
            Ok(()) if was_failing => tracing::info!("spans are sent again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
