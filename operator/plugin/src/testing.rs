//! An API server that answers from a function.

use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, LazyLock},
};

use http::{Request, Response};
use kube::{Client, client::Body, core::Status};
use operator_commands::Connection;
use serde_json::{Value, json};

/// A list of whatever kind.
pub(crate) static NOTHING: LazyLock<Value> = LazyLock::new(|| list(&[]));

pub(crate) fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
}

/// The namespace `team-a` of such a server.
pub(crate) fn connection(
    answer: impl Fn(&Request<Body>) -> Response<Body> + Send + Sync + 'static,
) -> Connection {
    Connection {
        client: client(answer),
        namespace: "team-a".to_owned(),
    }
}

pub(crate) fn client(
    answer: impl Fn(&Request<Body>) -> Response<Body> + Send + Sync + 'static,
) -> Client {
    let answer = Arc::new(answer);
    let server = move |request: Request<Body>| ready(Ok::<_, Infallible>(answer(&request)));
    Client::new(tower::service_fn(server), "team-a")
}

pub(crate) fn answer(object: &Value) -> Response<Body> {
    Response::new(Body::from(object.to_string().into_bytes()))
}

pub(crate) fn refusal(code: u16) -> Response<Body> {
    let status = Status::failure("said by the API server", "Reason").with_code(code);
    let body = serde_json::to_vec(&status).unwrap();
    Response::builder()
        .status(code)
        .body(Body::from(body))
        .unwrap()
}
