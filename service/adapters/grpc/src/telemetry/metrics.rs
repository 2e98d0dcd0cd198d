//! How long calls take and how they end, as a histogram.
//!
//! The names follow OpenTelemetry's semantic conventions for RPC in their Prometheus form; see [`user_settings::metric`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::SpanContext;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use user_settings::metric;

/// Upper bounds of the histogram's buckets, in seconds: what the semantic conventions advise for RPC durations.
const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The field names are the label names; a test holds them against [`metric`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    rpc_method: Arc<str>,
    rpc_response_status_code: &'static str,
}

/// The trace of a call that took so long, for whoever wants to see why (`OpenMetrics` exemplars).
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Exemplar {
    trace_id: String,
    span_id: String,
}

type Durations =
    Family<Labels, HistogramWithExemplars<Exemplar>, fn() -> HistogramWithExemplars<Exemplar>>;

/// The histogram of all calls, and the methods that may appear in it.
#[derive(Clone, Debug)]
pub struct RpcMetrics {
    durations: Durations,
    methods: Arc<HashMap<String, Arc<str>>>,
    other: Arc<str>,
}

impl RpcMetrics {
    /// Registers the histogram. Methods of the services in these encoded file descriptor sets get a label of their own;
    /// all others share one, so that callers cannot make the metric grow.
    ///
    /// # Errors
    /// A set cannot be decoded.
    pub fn register(
        registry: &mut Registry,
        descriptor_sets: &[&[u8]],
    ) -> Result<Self, prost::DecodeError> {
        let mut methods = HashMap::new();
        for set in descriptor_sets {
            methods.extend(methods_of(&FileDescriptorSet::decode(*set)?));
        }
        let histogram: fn() -> HistogramWithExemplars<Exemplar> =
            || HistogramWithExemplars::new(BUCKETS.into_iter());
        let durations = Durations::new_with_constructor(histogram);
        let name = metric::RPC_SERVER_CALL_DURATION;
        registry.register_with_unit(
            // The encoder adds the unit by itself.
            name.strip_suffix("_seconds").unwrap_or(name),
            "How long the server took for a call",
            Unit::Seconds,
            durations.clone(),
        );
        Ok(Self {
            durations,
            methods: Arc::new(methods),
            other: metric::OTHER_METHOD.into(),
        })
    }

    /// What a request path is called in telemetry.
    pub(super) fn method(&self, path: &str) -> Arc<str> {
        Arc::clone(self.methods.get(path).unwrap_or(&self.other))
    }

    /// Counts a call that has ended; its trace, if it is recorded, becomes the example of calls that took as long.
    pub(super) fn ended(
        &self,
        rpc_method: Arc<str>,
        rpc_response_status_code: &'static str,
        took: Duration,
        trace: Option<&SpanContext>,
    ) {
        let labels = Labels {
            rpc_method,
            rpc_response_status_code,
        };
        let recorded = trace.filter(|trace| trace.is_sampled());
        let exemplar = recorded.map(|trace| Exemplar {
            trace_id: trace.trace_id().to_string(),
            span_id: trace.span_id().to_string(),
        });
        let seen = exemplar.is_some().then(SystemTime::now);
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64(), exemplar, seen);
    }
}

/// Request path and label of every method.
fn methods_of(set: &FileDescriptorSet) -> impl Iterator<Item = (String, Arc<str>)> {
    set.file.iter().flat_map(|file| {
        file.service.iter().flat_map(move |service| {
            service.method.iter().map(move |method| {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                (format!("/{name}"), name.into())
            })
        })
    })
}
