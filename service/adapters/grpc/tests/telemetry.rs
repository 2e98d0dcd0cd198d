//! What is told about calls, whichever way they end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use user_adapter_grpc::{RpcMetrics, RpcTracer, TelemetryLayer};
use user_settings::metric;

const CREATE: &str = "/user.v1.UserService/CreateUser";

fn metrics() -> (Registry, TelemetryLayer) {
    let mut registry = Registry::default();
    let metrics = RpcMetrics::register(&mut registry, &[user_proto::FILE_DESCRIPTOR_SET]).unwrap();
    (registry, TelemetryLayer::new(metrics, RpcTracer::off()))
}

fn counted(registry: &Registry, method: &str, code: &str) -> bool {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let sample = format!(
        "{}_count{{{}=\"{method}\",{}=\"{code}\"}} 1",
        metric::RPC_SERVER_CALL_DURATION,
        metric::RPC_METHOD,
        metric::RPC_RESPONSE_STATUS_CODE
    );
    text.lines().any(|line| line == sample)
}

fn request(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static(code),
    )])
}

#[tokio::test]
async fn a_call_with_messages_is_counted_by_its_trailers() {
    let (registry, layer) = metrics();
    let service = layer.layer(service_fn(|_: Request<()>| async {
        let frames = [
            Ok(Frame::data(Bytes::from("x"))),
            Ok::<_, Infallible>(Frame::trailers(status("0"))),
        ];
        Ok::<_, Infallible>(Response::new(StreamBody::new(tokio_stream::iter(frames))))
    }));
    let response = service.oneshot(request(CREATE)).await.unwrap();
    assert!(
        !counted(&registry, "user.v1.UserService/CreateUser", "OK"),
        "not over yet"
    );
    response.into_body().collect().await.unwrap();
    assert!(counted(&registry, "user.v1.UserService/CreateUser", "OK"));
}

#[tokio::test]
async fn a_call_without_messages_is_counted_by_its_headers_under_a_bounded_name() {
    let (registry, layer) = metrics();
    let mut service = layer.layer(service_fn(|_: Request<()>| async {
        let mut response = Response::new(Empty::<Bytes>::new());
        response.headers_mut().extend(status("12"));
        Ok::<_, Infallible>(response)
    }));
    service.call(request("/made.up/Name")).await.unwrap();
    assert!(counted(&registry, metric::OTHER_METHOD, "UNIMPLEMENTED"));
}

#[tokio::test]
async fn a_call_that_its_client_gives_up_is_counted_as_cancelled() {
    let (registry, layer) = metrics();
    let mut service = layer.layer(service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>()
    }));
    drop(service.call(request(CREATE)));
    assert!(counted(
        &registry,
        "user.v1.UserService/CreateUser",
        "CANCELLED"
    ));
}
