use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Logs, traces and metrics of the service.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct TelemetrySpec {
    /// Least severe level that is logged: `error`, `warn`, `info`, `debug` or `trace`. The last two
    /// are for looking into a problem.
    pub log_level: LogLevel,

    /// Collector that traces are sent to by OTLP over gRPC, in plaintext, such as
    /// `http://otel-collector.telemetry:4317`. Absent: the service makes none. Traces name the
    /// service after this resource and hold no personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::otlp_endpoint")]
    pub otlp_endpoint: Option<String>,

    /// Whether metrics are sent to that collector too, every 15 s. `Enabled`: they are. `Disabled`:
    /// they are not. They can be scraped from the admin port in any case. Counts with
    /// `otlpEndpoint`.
    pub otlp_metrics: OtlpMetrics,

    /// How many of the calls whose client began no trace are traced, `0%` to `100%`, such as
    /// `0.5%`. A call that comes with a trace follows its client's decision. Counts with
    /// `otlpEndpoint`.
    #[schemars(schema_with = "schema::percentage")]
    pub sampling: String,
}

impl Default for TelemetrySpec {
    fn default() -> Self {
        Self {
            log_level: LogLevel::default(),
            otlp_endpoint: None,
            otlp_metrics: OtlpMetrics::default(),
            sampling: "10%".to_owned(),
        }
    }
}

/// Least severe level that is logged.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the levels are the usual ones")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Whether metrics are sent by OTLP.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum OtlpMetrics {
    /// They are.
    Enabled,
    /// They are not, as when they are scraped.
    #[default]
    Disabled,
}
