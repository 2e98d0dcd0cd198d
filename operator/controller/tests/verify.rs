//! `verify`, the real binary, on an API server that makes the resource and never has it ready.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/kubeconfig.rs"]
mod kubeconfig;

use std::{
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use kubeconfig::Kubeconfig;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    sync::Notify,
    time::timeout,
};

/// Bound of what takes milliseconds.
const BOUND: Duration = Duration::from_secs(30);

/// What is known of the one resource.
#[derive(Default)]
struct Server {
    /// It is made once this is told.
    make: Notify,
    made: Notify,
    is_deleted: AtomicBool,
}

impl Server {
    async fn answer(&self, method: Method, uri: Uri) -> Response {
        let is_dry = uri.query().is_some_and(|query| query.contains("dryRun"));
        match method {
            Method::POST if is_dry => told(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Invalid",
                "min must not exceed max",
            ),
            Method::POST => {
                self.make.notified().await;
                self.made.notify_one();
                resource()
            }
            Method::DELETE => {
                self.is_deleted.store(true, Ordering::SeqCst);
                resource()
            }
            _ if uri.path().contains("deployments") || self.is_deleted.load(Ordering::SeqCst) => {
                told(StatusCode::NOT_FOUND, "NotFound", "not found")
            }
            _ => resource(),
        }
    }

    async fn start(self: Arc<Self>) -> Kubeconfig {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = move |method: Method, uri: Uri| {
            let server = Arc::clone(&self);
            async move { server.answer(method, uri).await }
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(handler)).into_future());
        let name = format!("verify-{}", address.port());
        Kubeconfig::write(&name, &format!("http://{address}"))
    }
}

fn resource() -> Response {
    let object = json!({
        "apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService",
        "metadata": {"name": "verify-1", "namespace": "default", "uid": "uid", "generation": 1},
        "spec": {},
    });
    json_of(StatusCode::OK, &object)
}

fn told(code: StatusCode, reason: &str, message: &str) -> Response {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": reason, "message": message, "code": code.as_u16(),
    });
    json_of(code, &status)
}

fn json_of(code: StatusCode, object: &Value) -> Response {
    (
        code,
        [(CONTENT_TYPE, "application/json")],
        object.to_string(),
    )
        .into_response()
}

/// It runs up to where the resource is about to be made, and ends as it is made to by `meanwhile`.
async fn verified(
    meanwhile: impl AsyncFnOnce(&Server, &mut Child, BufReader<ChildStdout>),
) -> (ExitStatus, bool) {
    let server = Arc::<Server>::default();
    let config = Arc::clone(&server).start().await;
    let mut process = Command::new(env!("CARGO_BIN_EXE_userservice-operator"))
        .arg("verify")
        .env_clear()
        .env("KUBECONFIG", config.as_ref())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap());
    let mut refusal = String::new();
    lines.read_line(&mut refusal).await.unwrap();
    assert!(refusal.contains("refused"), "{refusal}");
    meanwhile(&server, &mut process, lines).await;
    let ended = timeout(BOUND, process.wait()).await.unwrap().unwrap();
    (ended, server.is_deleted.load(Ordering::SeqCst))
}

#[tokio::test]
async fn whoever_reads_no_further_finds_nothing_left_behind() {
    let (ended, is_deleted) = verified(async |server, _, lines| {
        drop(lines);
        server.make.notify_one();
    })
    .await;
    assert!(is_deleted);
    assert_eq!(ended.code(), Some(141), "as of what SIGPIPE ended");
}

#[tokio::test]
async fn whoever_stops_it_finds_nothing_left_behind() {
    let (ended, is_deleted) = verified(async |server, process, mut lines| {
        server.make.notify_one();
        server.made.notified().await;
        let mut created = String::new();
        lines.read_line(&mut created).await.unwrap();
        assert!(created.contains("created"), "{created}");
        let id = process.id().unwrap().to_string();
        let killed = Command::new("kill").arg(id).status().await.unwrap();
        assert!(killed.success());
        // What it says at the end is read, so that it is not ended by the closed pipe.
        while lines.read_line(&mut created).await.unwrap() > 0 {}
    })
    .await;
    assert!(is_deleted);
    assert_eq!(ended.code(), Some(1));
}
