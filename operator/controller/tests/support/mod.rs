//! The operator as a process, on an API server that holds one resource and takes every write.

#![allow(unreachable_pub, reason = "each test file uses a part of it")]

// As with Prometheus: the ones of the service.
#[path = "../../../../service/server/tests/support/wait.rs"]
mod wait;

mod kubeconfig;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{Method, Response, StatusCode, Uri, header::CONTENT_TYPE},
};
use futures::stream;
use kubeconfig::Kubeconfig;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
pub use wait::{soon, until};

/// What was written last at each path, as it is answered from then on.
type Written = Arc<Mutex<BTreeMap<String, Value>>>;

/// The operator, and what it has written.
pub struct Operator {
    pub admin: SocketAddr,
    pub process: Child,
    written: Written,
    lines: Arc<Mutex<Vec<String>>>,
    /// Kept as long as it may be read.
    _config: Kubeconfig,
}

impl Operator {
    /// Starts it with all that it can log.
    pub async fn start() -> Self {
        let written = Written::default();
        let server = api_server(&written).await;
        let name = format!("operator-{}", server.port());
        let config = Kubeconfig::write(&name, &format!("http://{server}"));
        let mut process = Command::new(env!("CARGO_BIN_EXE_userservice-operator"))
            .args(["run", "--admin-address", "127.0.0.1:0"])
            .args(["--service-repository", "registry.example/user-service"])
            .args(["--service-version", "1.2.3"])
            .env_clear()
            .env("KUBECONFIG", config.as_ref())
            .env(
                "RUST_LOG",
                "info,userservice_operator=debug,operator_cluster=debug",
            )
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let mut source = BufReader::new(process.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok(Some(line)) = source.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        let mut operator = Self {
            admin: server,
            process,
            written,
            lines,
            _config: config,
        };
        operator.admin = operator.listening().await;
        operator
    }

    async fn listening(&self) -> SocketAddr {
        let started = || self.told("starting").into_iter().next();
        until("it listens", async || started().is_some()).await;
        let address = &started().unwrap()["admin_address"];
        address.as_str().unwrap().parse().unwrap()
    }

    /// Lines of the log with this message.
    pub fn told(&self, message: &str) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        let lines = lines.iter().map(|line| serde_json::from_str(line));
        let lines = lines.map(|line| line.expect("a line is JSON"));
        lines
            .filter(|line: &Value| line["message"] == message)
            .collect()
    }

    /// What was written last at a path that ends so.
    pub fn written(&self, path: &str) -> Option<Value> {
        let written = self.written.lock().unwrap();
        let mut found = written.iter().filter(|(at, _)| at.ends_with(path));
        found.next().map(|(_, object)| object.clone())
    }
}

async fn api_server(written: &Written) -> SocketAddr {
    let written = Arc::clone(written);
    let handler = move |method: Method, uri: Uri, body: String| {
        let answer = answer(&written, &method, &uri, &body);
        std::future::ready(answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().fallback(handler)).into_future());
    address
}

fn answer(written: &Written, method: &Method, uri: &Uri, body: &str) -> Response<Body> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    if query.contains("watch=true") {
        // Nothing happens by itself.
        return Response::new(Body::from_stream(
            stream::pending::<std::io::Result<String>>(),
        ));
    }
    let mut written = written.lock().unwrap();
    if *method == Method::GET {
        let is_list = query.contains("limit=") || query.contains("Selector=");
        return match written.get(path) {
            Some(object) => told(StatusCode::OK, object),
            None if is_list => told(StatusCode::OK, &list(path)),
            None => told(StatusCode::NOT_FOUND, &missing()),
        };
    }
    let mut object: Value = serde_json::from_str(body).unwrap();
    object["metadata"]["uid"] = json!("uid");
    object["metadata"]["resourceVersion"] = json!((written.len() + 2).to_string());
    if path.contains("/userservices/") {
        object["spec"] = json!({});
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let at = if *method == Method::POST {
        format!("{path}/{name}")
    } else {
        path.to_owned()
    };
    let answer = told(StatusCode::OK, &object);
    written.insert(at, object);
    answer
}

/// All there is of a kind.
fn list(path: &str) -> Value {
    let users = json!({
        "metadata": {"namespace": "team-a", "name": "users", "uid": "uid", "resourceVersion": "1"},
        "spec": {},
    });
    let items = if path.ends_with("/userservices") {
        vec![users]
    } else {
        Vec::new()
    };
    json!({"metadata": {"resourceVersion": "1"}, "items": items})
}

fn missing() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": "NotFound", "message": "not found", "code": 404,
    })
}

fn told(code: StatusCode, object: &Value) -> Response<Body> {
    let mut answer = Response::new(Body::from(object.to_string()));
    *answer.status_mut() = code;
    let json = "application/json".parse().unwrap();
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}
