use operator_api::{LogLevel, OtlpMetrics, TelemetrySpec};
use user_settings::{Settings, is_otlp_endpoint};

use super::Broken;

/// Reads `spec.telemetry` of the resource with this name in this namespace.
pub(super) fn read(
    spec: &TelemetrySpec,
    (name, namespace): (&str, &str),
    settings: &mut Settings,
    broken: &mut Broken,
) {
    let telemetry = &mut settings.telemetry;
    telemetry.log_level = match spec.log_level {
        LogLevel::Error => user_settings::LogLevel::Error,
        LogLevel::Warn => user_settings::LogLevel::Warn,
        LogLevel::Info => user_settings::LogLevel::Info,
        LogLevel::Debug => user_settings::LogLevel::Debug,
        LogLevel::Trace => user_settings::LogLevel::Trace,
    };
    telemetry.otlp_metrics = match spec.otlp_metrics {
        OtlpMetrics::Enabled => user_settings::OtlpMetrics::Enabled,
        OtlpMetrics::Disabled => user_settings::OtlpMetrics::Disabled,
    };
    match spec.sampling.parse() {
        Ok(sampling) => telemetry.sampling = sampling,
        Err(error) => broken.add(
            "spec.telemetry.sampling",
            format!("{:?} is {error}", spec.sampling),
        ),
    }
    let Some(endpoint) = &spec.otlp_endpoint else {
        return;
    };
    if !is_otlp_endpoint(endpoint) {
        // Not shown: it may hold credentials, where none belong.
        let rule = "must be http://host:port, such as http://otel-collector.telemetry:4317";
        broken.add("spec.telemetry.otlpEndpoint", rule);
    }
    telemetry.otlp_endpoint.clone_from(endpoint);
    name.clone_into(&mut telemetry.service_name);
    namespace.clone_into(&mut telemetry.service_namespace);
}
