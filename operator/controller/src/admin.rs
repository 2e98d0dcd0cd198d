//! Health, metrics and the log's level over plain HTTP.

mod listener;

use std::sync::Arc;

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use listener::{Listener, Peer};
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
    let service = router(admin).into_make_service_with_connect_info::<Peer>();
    axum::serve(Listener::new(listener), service).await
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
/// answered, which `kubectl port-forward` is. Told before the body is read, so that nobody else's is
/// waited for.
struct Local;

impl<S: Send + Sync> FromRequestParts<S> for Local {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let why = "answered within the pod only: kubectl port-forward leads there\n";
        match ConnectInfo::<Peer>::from_request_parts(parts, state).await {
            Ok(ConnectInfo(peer)) if peer.is_local() => Ok(Self),
            _ => Err((StatusCode::FORBIDDEN, why)),
        }
    }
}

type Answer = (StatusCode, String);

async fn log_level(_: Local, State(admin): State<Admin>) -> Answer {
    (StatusCode::OK, format!("{}\n", admin.log_level.get()))
}

async fn set_log_level(_: Local, State(admin): State<Admin>, asked: String) -> Answer {
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
    use std::{
        net::{IpAddr, Ipv4Addr, SocketAddr},
        time::Duration,
    };

    use axum::{
        body::{Body, to_bytes},
        extract::connect_info::MockConnectInfo,
        http::Request,
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpSocket, TcpStream},
        time::timeout,
    };
    use tower::ServiceExt;
    use tracing_subscriber::{EnvFilter, Registry, reload};

    use super::*;

    type Layer = reload::Layer<EnvFilter, Registry>;

    /// What there is to tell, and the layer in which its level counts.
    fn admin() -> (Admin, Layer) {
        let (log_level, layer) = LogLevel::new("");
        let admin = Admin {
            metrics: Arc::new(Metrics::new()),
            known: Known::default(),
            queue: Queue::default(),
            log_level,
        };
        (admin, layer)
    }

    /// The listener as a peer sees it.
    fn seen_from(peer: &str) -> (Router, Layer) {
        let (admin, layer) = admin();
        let peer = Peer(peer.parse().unwrap());
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
        for peer in ["10.0.0.7:1", "127.0.0.6:1", "[::ffff:127.0.0.6]:1"] {
            let (router, _layer) = seen_from(peer);
            assert_eq!(asked(&router, "GET", "").await.0, 403);
            assert_eq!(asked(&router, "PUT", "off").await.0, 403);
            let (code, _) = asked(&router, "PUT", &"x".repeat(MAX_LEVEL + 1)).await;
            assert_eq!(code, 403);
        }
    }

    const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
    const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

    async fn listening() -> (SocketAddr, Layer) {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (admin, layer) = admin();
        tokio::spawn(serve(listener, admin));
        (address, layer)
    }

    async fn connect_from(address: Ipv4Addr, server: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        let address = SocketAddr::new(IpAddr::V4(address), 0);
        socket.bind(address).unwrap();
        socket.connect(server).await.unwrap()
    }

    /// What is answered, to where it ends so or the connection does.
    async fn answer(stream: &mut TcpStream, request: &str, end: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = async {
            while !answer.ends_with(end.as_bytes()) {
                if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        };
        timeout(SOON, read).await.expect("is answered");
        String::from_utf8(answer).unwrap()
    }

    /// Far more than an answer takes.
    const SOON: Duration = Duration::from_secs(20);
    const UNFINISHED: &str = "PUT /loglevel HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n";

    #[tokio::test]
    async fn what_others_send_to_the_level_of_the_log_is_not_waited_for() {
        let (server, _layer) = listening().await;
        let mut stranger = connect_from(ELSEWHERE, server).await;
        let refused = answer(&mut stranger, UNFINISHED, "there\n").await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    }

    #[tokio::test]
    async fn whoever_asks_for_connections_without_end_loses_the_first_and_costs_others_none() {
        const PROBE: &str = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
        let (server, _layer) = listening().await;
        let mut kept = connect_from(ELSEWHERE, server).await;
        let mut crowd = Vec::new();
        for _ in 0..=listener::MOST {
            let mut one = connect_from(HERE, server).await;
            one.write_all(UNFINISHED.as_bytes()).await.unwrap();
            crowd.push(one);
        }
        for from in [ELSEWHERE, HERE] {
            let mut probe = connect_from(from, server).await;
            let answer = answer(&mut probe, PROBE, "ok\n").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{from}: {answer}");
        }
        let answer = answer(&mut kept, PROBE, "ok\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // Whether it ends or is reset.
        let mut end = Vec::new();
        let ended = timeout(SOON, crowd[0].read_to_end(&mut end)).await;
        assert!(ended.is_ok() && end.is_empty(), "{end:?}");
    }
}
