//! What the admin port serves: HTTP/1.1 for people and scrapers, HTTP/2 for the kubelet's gRPC probes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tonic::service::Routes;
use user_settings::{LogLevel, path};

use crate::build;
use crate::health::{Health, Phase};
use crate::telemetry::{Event, Journal, log};

/// Content type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Who asks.
#[derive(Clone, Copy, Debug)]
struct Peer(SocketAddr);

impl Peer {
    /// Whether it is on this machine or in this pod. What comes by `kubectl port-forward` is. Other addresses of loopback
    /// are not: from 127.0.0.6 the proxy of Istio hands on what comes from elsewhere.
    fn is_local(self) -> bool {
        let address = self.0.ip().to_canonical();
        address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
    }
}

/// Somebody local. Told before the body is read, so that nobody else's is waited for.
struct Local;

impl<S: Send + Sync> FromRequestParts<S> for Local {
    type Rejection = (StatusCode, &'static str);

    fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> + Send {
        let peer = parts.extensions.get::<Peer>();
        let why = "the level is changed from inside the pod alone, as by kubectl port-forward\n";
        let is_local = peer.is_some_and(|peer| peer.is_local());
        std::future::ready(is_local.then_some(Self).ok_or((StatusCode::FORBIDDEN, why)))
    }
}

/// Health, metrics, readiness in detail and build information.
pub(crate) fn router(health: &Health, registry: Arc<Registry>, journal: Journal) -> Router {
    let ready = Arc::new((health.clone(), journal.clone()));
    let scraped = journal.clone();
    Routes::new(health.probe_server())
        .into_axum_router()
        .route(
            path::METRICS,
            get(move || std::future::ready(metrics(&registry, &scraped))),
        )
        .route(
            path::READINESS,
            get(move || std::future::ready(readiness(&ready.0, &ready.1))),
        )
        .route(path::BUILD_INFO, get(build_info))
        .route(
            path::LOG_LEVEL,
            get(log_level).put(move |_: Local, body: String| {
                std::future::ready(set_log_level(&body, &journal))
            }),
        )
        // The default of the gRPC routes answers 200 to any path, and an HTTP probe would take that for health.
        .fallback(|| std::future::ready(StatusCode::NOT_FOUND))
}

/// The same, knowing who asks.
pub(crate) fn for_peer(router: &Router, peer: SocketAddr) -> Router {
    router.clone().layer(Extension(Peer(peer)))
}

fn metrics(registry: &Registry, journal: &Journal) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            journal.tell(Event::NotEncoded(&error));
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn build_info() -> impl IntoResponse {
    json(&serde_json::json!({"name": build::NAME, "version": build::VERSION}))
}

/// Whether calls are taken, by the status, and how each dependency is, by the body. A dependency that fails while the
/// service runs does not make it unready: see [`Health::serving`].
fn readiness(health: &Health, journal: &Journal) -> Response {
    let (status, phase) = match health.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Phase::Serving => (StatusCode::OK, "serving"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let dependencies = journal.dependencies().detail();
    let detail = serde_json::json!({"phase": phase, "dependencies": dependencies});
    (status, json(&detail)).into_response()
}

fn json(value: &serde_json::Value) -> impl IntoResponse + use<> {
    (
        [(header::CONTENT_TYPE, "application/json")],
        format!("{value}\n"),
    )
}

async fn log_level() -> Response {
    match log::level() {
        Some(level) => format!("{}\n", level.as_str()).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Writes lines from the level in the body on, until it is set anew or the process ends.
fn set_log_level(body: &str, journal: &Journal) -> Response {
    let Some(level) = LogLevel::from_word(body.trim()) else {
        let why = format!("give {}\n", LogLevel::accepted_words());
        return (StatusCode::BAD_REQUEST, why).into_response();
    };
    if !log::set_level(level) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    journal.tell(Event::LogLevelChanged(level));
    format!("{}\n", level.as_str()).into_response()
}
