//! An API server of the tests: it answers what it is told to and keeps what it was asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
};
use kube::{Client, Config};
use serde_json::{Value, json};

/// A request: method, path with query, type of the content, body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content: String,
    pub(crate) body: Value,
}

pub(crate) type Log = Arc<Mutex<Vec<Asked>>>;

/// A client of a server that answers each request with `answer`, and what it was asked so far.
pub(crate) async fn server(
    answer: impl Fn(&Asked) -> (u16, Value) + Clone + Send + Sync + 'static,
) -> (Client, Log) {
    let (config, log) = listening(answer).await;
    (Client::try_from(config).unwrap(), log)
}

/// The way to such a server.
pub(crate) async fn listening(
    answer: impl Fn(&Asked) -> (u16, Value) + Clone + Send + Sync + 'static,
) -> (Config, Log) {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let handler = move |method: Method, uri: Uri, headers: axum::http::HeaderMap, body: String| {
        let asked = Asked {
            method,
            path: uri.to_string(),
            content: headers
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            body: serde_json::from_str(&body).unwrap_or_default(),
        };
        let mut log = kept.lock().unwrap();
        let (code, value) = answer(&asked);
        log.push(asked);
        std::future::ready((
            StatusCode::from_u16(code).unwrap(),
            [(CONTENT_TYPE, "application/json")],
            value.to_string(),
        ))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(handler))
            .await
            .unwrap();
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = Config::new(format!("http://{address}").parse().unwrap());
    config.default_retry = false;
    (config, log)
}

/// A refusal as the API server words it.
pub(crate) fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": reason, "message": reason, "code": code,
    });
    (code, status)
}
