//! Spans, in batches.

use std::time::Duration;

use opentelemetry::global;
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use user_settings::Telemetry;

use super::SEND_TIMEOUT;
use crate::ServiceError;
use crate::metrics::OtlpCounters;
use crate::telemetry::{Dependency, Journal};

/// Spans that wait to be sent; further ones are dropped, so that a collector that is away costs no memory.
const QUEUE: usize = 2048;
const BATCH: usize = 512;
/// Longest wait of a span for others to be sent with.
const DELAY: Duration = Duration::from_secs(1);

/// Makes spans of this process go to the collector. Has to be called inside the runtime that sends.
pub(super) fn start(
    telemetry: &Telemetry,
    resource: Resource,
    counters: OtlpCounters,
    journal: Journal,
) -> Result<SdkTracerProvider, ServiceError> {
    let exporter = OtlpExporter::builder()
        .with_tonic()
        .with_endpoint(&telemetry.otlp_endpoint)
        .with_timeout(SEND_TIMEOUT)
        .build()
        .map_err(|error| ServiceError::Otlp(error.into()))?;
    let exporter = Watched {
        exporter,
        counters,
        journal,
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
        .with_resource(resource)
        .build();
    global::set_tracer_provider(provider.clone());
    Ok(provider)
}

/// An exporter whose success is counted, and told when it changes.
#[derive(Debug)]
struct Watched {
    exporter: OtlpExporter,
    counters: OtlpCounters,
    journal: Journal,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = self.exporter.export(batch).await;
        self.counters.spans(spans, outcome.is_ok());
        let why_not = outcome.as_ref().err().map(ToString::to_string);
        self.journal
            .heard(Dependency::Spans, why_not.as_deref().map_or(Ok(()), Err));
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
