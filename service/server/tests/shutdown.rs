//! How the service stops, in process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/http2.rs"]
mod http2;
mod support;

use std::time::{Duration, Instant};

use http2::{Connection, call, fields, frame, framed, headers, kind};
use support::{HeldCall, InProcess, connect, health, new_user, settings, soon, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use user_proto::user::v1::GetUserRequest;
use user_service::{ServiceError, Stopped};
use user_settings::{Settings, health as names};

#[tokio::test]
async fn a_call_in_flight_finishes_and_new_connections_are_refused() {
    let service = InProcess::start(&settings());
    let (grpc, channel) = (service.grpc, service.channel().await);
    let call = HeldCall::begin(&channel).await;
    let running = service.stop();
    until("refusing", || async {
        TcpStream::connect(grpc).await.is_err()
    })
    .await;
    call.finish(new_user("Ada", "ada@example.com"))
        .await
        .expect("is answered");
    assert_eq!(
        soon("stopping", running).await.unwrap().unwrap(),
        Stopped::Clean
    );
}

#[tokio::test]
async fn not_serving_is_announced_while_calls_are_still_taken() {
    let mut settings = settings();
    settings.server.drain_delay = Duration::from_mins(1);
    let service = InProcess::start(&settings);
    let (api, admin) = (service.channel().await, connect(service.admin).await);
    until("ready", || async {
        health(&admin, names::READINESS).await == Some(ServingStatus::Serving)
    })
    .await;
    let grpc = service.grpc;
    let running = service.stop();
    let not_serving = Some(ServingStatus::NotServing);
    until("unready", || async {
        health(&admin, names::READINESS).await == not_serving
    })
    .await;
    assert_eq!(health(&api, names::API).await, not_serving);
    assert_eq!(health(&api, "").await, not_serving);
    assert_eq!(health(&admin, "").await, not_serving);
    assert_eq!(
        health(&admin, names::LIVENESS).await,
        Some(ServingStatus::Serving)
    );
    // A client that has not heard of it yet still connects and is served.
    let late = HeldCall::begin(&connect(grpc).await).await;
    late.finish(new_user("Ada", "ada@example.com"))
        .await
        .expect("is answered");
    running.abort();
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_when_the_drain_times_out() {
    let mut settings = settings();
    settings.server.drain_timeout = Duration::from_secs(1);
    settings.server.request_timeout = Duration::from_mins(1);
    let service = InProcess::start(&settings);
    let call = HeldCall::begin(&service.channel().await).await;
    let asked = Instant::now();
    let stopped = soon("stopping", service.stop()).await.unwrap().unwrap();
    assert_eq!(stopped, Stopped::CutShort);
    assert!(asked.elapsed() >= settings.server.drain_timeout);
    call.wait().await.expect_err("was cut");
}

/// A drain that nobody ends would take longer than a test may.
fn settings_with_long_drain() -> Settings {
    let mut settings = settings();
    settings.server.drain_timeout = support::BOUND * 2;
    settings
}

#[tokio::test]
async fn connections_that_have_not_begun_do_not_hold_the_drain_up() {
    let service = InProcess::start(&settings_with_long_drain());
    let silent = TcpStream::connect(service.grpc).await.unwrap();
    let mut halting = TcpStream::connect(service.grpc).await.unwrap();
    halting.write_all(b"PRI * HTTP").await.unwrap();
    // Connections are accepted in order: when a later one is answered, these are accepted.
    health(&service.channel().await, "").await;
    assert_eq!(
        soon("stopping", service.stop()).await.unwrap().unwrap(),
        Stopped::Clean
    );
    drop((silent, halting));
}

#[tokio::test]
async fn a_client_without_calls_that_never_goes_away_does_not_hold_the_drain_up() {
    let service = InProcess::start(&settings_with_long_drain());
    let mut idle = TcpStream::connect(service.grpc).await.unwrap();
    let empty_settings_frame = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    idle.write_all(&empty_settings_frame).await.unwrap();
    // The server answers the preface with its settings; the client never answers anything.
    soon("settings", idle.read_u8()).await.unwrap();
    assert_eq!(
        soon("stopping", service.stop()).await.unwrap().unwrap(),
        Stopped::Clean
    );
}

/// As one of a client that is slow, or of a pod that is held to so little CPU time that it has not read it.
#[tokio::test]
async fn a_call_that_comes_before_its_client_has_confirmed_to_go_away_is_answered() {
    let service = InProcess::start(&settings_with_long_drain());
    let mut connection = Connection::begin(service.grpc).await;
    connection.send(&frame(kind::PING, 0, 0, &[0; 8])).await;
    connection.next_of(kind::PING).await.expect("is served");
    let stopping = service.stop();
    connection.next_of(kind::GOAWAY).await.expect("is told");
    // Not for the server to come to something: the client takes its time.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let get = GetUserRequest::default();
    let get = call(1, "/user.v1.UserService/GetUser", &get);
    connection.send(&get).await;
    connection
        .next_of(kind::HEADERS)
        .await
        .expect("is answered");
    let stopped = soon("stopping", stopping).await.unwrap().unwrap();
    assert_eq!(stopped, Stopped::Clean);
}

#[tokio::test]
async fn a_health_watch_is_told_of_the_drain_and_does_not_hold_it_up() {
    let service = InProcess::start(&settings_with_long_drain());
    let channel = service.channel().await;
    until("ready", || async {
        health(&channel, names::API).await == Some(ServingStatus::Serving)
    })
    .await;
    let request = HealthCheckRequest {
        service: names::API.to_owned(),
    };
    let mut watch = HealthClient::new(channel)
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        watch
            .message()
            .await
            .unwrap()
            .expect("says how it is")
            .status(),
        ServingStatus::Serving
    );
    let running = service.stop();
    let next = soon("news", watch.message())
        .await
        .unwrap()
        .expect("says how it is");
    assert_eq!(next.status(), ServingStatus::NotServing);
    assert_eq!(soon("the end", watch.message()).await.unwrap(), None);
    assert_eq!(
        soon("stopping", running).await.unwrap().unwrap(),
        Stopped::Clean
    );
}

/// As tools leave them, before their first question or after it.
#[tokio::test]
async fn an_open_reflection_stream_does_not_hold_the_drain_up() {
    let service = InProcess::start(&settings_with_long_drain());
    let mut connection = Connection::begin(service.grpc).await;
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let question = frame(kind::DATA, 0, 3, &framed(&question));
    for (stream, method) in [
        (
            1,
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ),
        (
            3,
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ),
    ] {
        connection.send(&headers(stream, &fields(method))).await;
        connection.next_of(kind::HEADERS).await.expect("is open");
    }
    connection.send(&question).await;
    let answer = connection.next_of(kind::DATA).await.expect("answers");
    assert_eq!(answer.stream, 3);
    let stopped = soon("stopping", service.stop()).await.unwrap().unwrap();
    assert_eq!(stopped, Stopped::Clean);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let service = InProcess::start(&settings());
    let mut second = settings();
    second.admin_address = service.admin;
    let error = user_service::Service::bind(&second).expect_err("the port is taken");
    assert!(
        matches!(
            error,
            ServiceError::Listen {
                listener: "admin",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error.to_string().contains(&service.admin.to_string()),
        "{error}"
    );
}
