//! Health, metrics and the log's level over plain HTTP.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::{metrics::Metrics, queue::Queue, telemetry::LogLevel, watching::Known};

/// What the listener tells.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: Arc<Metrics>,
    /// Every resource, as last seen.
    pub(crate) known: Known,
    pub(crate) queue: Queue,
    pub(crate) log_level: LogLevel,
}

/// Bytes of a level, at most.
const MAX_LEVEL: usize = 1024;

/// Serves until it is dropped. `/healthz` says that the process works, `/readyz` that its caches are filled.
pub(crate) async fn serve(listener: TcpListener, admin: Admin) -> std::io::Result<()> {
    let service = router(admin).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .route("/loglevel", get(log_level).put(set_log_level))
        .layer(DefaultBodyLimit::max(MAX_LEVEL))
        .with_state(admin)
}

/// Who can reach the pod need not be who may fill its log or blind it: only peers within it are
/// answered, which `kubectl port-forward` is.
fn refused(peer: SocketAddr) -> Option<Answer> {
    let is_local = peer.ip().to_canonical().is_loopback();
    let why = "answered within the pod only: kubectl port-forward leads there\n";
    (!is_local).then(|| (StatusCode::FORBIDDEN, why.to_owned()))
}

type Answer = (StatusCode, String);

async fn log_level(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    State(admin): State<Admin>,
) -> Answer {
    refused(peer).unwrap_or_else(|| (StatusCode::OK, format!("{}\n", admin.log_level.get())))
}

async fn set_log_level(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    State(admin): State<Admin>,
    asked: String,
) -> Answer {
    if let Some(refused) = refused(peer) {
        return refused;
    }
    let asked = asked.trim();
    match admin.log_level.set(asked) {
        Ok(()) => {
            let level = admin.log_level.get();
            tracing::info!(level, "log level");
            (StatusCode::OK, format!("{level}\n"))
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.known.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "caches are being filled\n")
    }
}

async fn metrics_text(State(admin): State<Admin>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    admin.metrics.count(&admin.known, &admin.queue);
    match admin.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        extract::connect_info::MockConnectInfo,
        http::Request,
    };
    use tower::ServiceExt;
    use tracing_subscriber::{EnvFilter, Registry, reload};

    use super::*;

    /// The listener as a peer sees it, and the layer in which its level counts.
    fn seen_from(peer: &str) -> (Router, reload::Layer<EnvFilter, Registry>) {
        let (log_level, layer) = LogLevel::new("");
        let admin = Admin {
            metrics: Arc::new(Metrics::new()),
            known: Known::default(),
            queue: Queue::default(),
            log_level,
        };
        let peer: SocketAddr = peer.parse().unwrap();
        (router(admin).layer(MockConnectInfo(peer)), layer)
    }

    async fn asked(router: &Router, method: &str, body: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri("/loglevel");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let code = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), MAX_LEVEL).await.unwrap();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_level_of_the_log_is_told_and_changed_from_within_the_pod() {
        for peer in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            let (router, _layer) = seen_from(peer);
            assert_eq!(asked(&router, "GET", "").await, (200, "info\n".to_owned()));
            let level = "info,userservice_operator=debug\n";
            let set = asked(&router, "PUT", level).await;
            assert_eq!(set, (200, level.to_owned()));
            assert_eq!(asked(&router, "GET", "").await, set);
            let (code, why) = asked(&router, "PUT", "userservice_operator=loud").await;
            assert_eq!(code, 400, "{why}");
            assert_eq!(asked(&router, "GET", "").await, set, "as it was");
            assert_eq!(asked(&router, "PUT", "").await, (200, "info\n".to_owned()));
        }
    }

    #[tokio::test]
    async fn the_level_of_the_log_is_no_matter_of_other_pods() {
        let (router, _layer) = seen_from("10.0.0.7:1");
        assert_eq!(asked(&router, "GET", "").await.0, 403);
        assert_eq!(asked(&router, "PUT", "off").await.0, 403);
        let (code, _) = asked(&router, "PUT", &"x".repeat(MAX_LEVEL + 1)).await;
        assert_ne!(code, 200);
    }
}
