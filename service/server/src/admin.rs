//! What the admin port serves: HTTP/1.1 for people and scrapers, HTTP/2 for the kubelet's gRPC probes.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tonic::service::Routes;
use user_settings::path;

use crate::build;
use crate::health::Health;

/// Content type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Health, metrics and build information.
pub(crate) fn router(health: &Health, registry: Arc<Registry>) -> Router {
    Routes::new(health.probe_server())
        .into_axum_router()
        .route(
            path::METRICS,
            get(move || std::future::ready(metrics(&registry))),
        )
        .route(path::BUILD_INFO, get(build_info))
        // The default of the gRPC routes answers 200 to any path, and an HTTP probe would take that for health.
        .fallback(|| std::future::ready(StatusCode::NOT_FOUND))
}

fn metrics(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn build_info() -> impl IntoResponse {
    let info = serde_json::json!({"name": build::NAME, "version": build::VERSION});
    (
        [(header::CONTENT_TYPE, "application/json")],
        info.to_string(),
    )
}
