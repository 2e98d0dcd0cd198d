//! Spans and metrics to a collector, by OTLP over gRPC.

mod convert;
mod metrics;
mod traces;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_semantic_conventions::attribute::{
    SERVICE_INSTANCE_ID, SERVICE_NAMESPACE, SERVICE_VERSION,
};
use prometheus_client::registry::Registry;
use tokio::runtime::{Builder, Runtime};
use user_settings::Telemetry;

use crate::metrics::OtlpCounters;
use crate::telemetry::Journal;
use crate::{ServiceError, build};

use metrics::Sending;

/// Longest time for sending a batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for sending what is left at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends spans, and metrics if it is asked to, until it is flushed.
pub(crate) struct Otlp {
    spans: SdkTracerProvider,
    metrics: Option<Sending>,
    /// Sending shares no thread with calls: neither can hold the other up.
    runtime: Option<Runtime>,
}

impl Otlp {
    /// Makes spans go to the collector of the settings, if they name one, and what is registered if they say so.
    pub(crate) fn start(
        telemetry: &Telemetry,
        counters: &OtlpCounters,
        journal: &Journal,
        registry: &Arc<Registry>,
        started: SystemTime,
    ) -> Result<Option<Self>, ServiceError> {
        if !telemetry.records() {
            return Ok(None);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()?;
        let resource = resource(telemetry);
        let (spans, metrics) = {
            let _inside = runtime.enter();
            let spans = traces::start(
                telemetry,
                resource.clone(),
                counters.clone(),
                journal.clone(),
            )?;
            let metrics = telemetry
                .sends_metrics()
                .then(|| {
                    let registry = Arc::clone(registry);
                    let told = (counters.clone(), journal.clone());
                    Sending::start(telemetry, &resource, registry, told, started)
                })
                .transpose()?;
            (spans, metrics)
        };
        Ok(Some(Self {
            spans,
            metrics,
            runtime: Some(runtime),
        }))
    }

    /// Sends what is left; whether all of it was in time.
    pub(crate) async fn flush(mut self) -> bool {
        let spans = self.spans.clone();
        let spans = move || spans.shutdown_with_timeout(FLUSH_TIMEOUT).is_ok();
        let spans = tokio::task::spawn_blocking(spans);
        let metrics = match self.metrics.take() {
            Some(metrics) => metrics.stop(FLUSH_TIMEOUT).await,
            None => true,
        };
        spans.await.unwrap_or(false) && metrics
    }
}

impl Drop for Otlp {
    /// A runtime that waits for its threads must not be dropped inside another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Who sends. In a pod the name of the host is the pod's.
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
