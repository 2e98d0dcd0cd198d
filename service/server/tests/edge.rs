//! Bounds of calls and connections, and what the transport itself refuses, over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use support::{Client, HeldCall, InProcess, assert_reason, health, new_user, settings, soon};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::codegen::tokio_stream;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::{ExtensionRequest, ServerReflectionRequest};
use tower::ServiceExt as _;
use user_adapter_grpc::reason;
use user_proto::user::v1::ListUsersRequest;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_settings::{Reflection, Settings, health as names};

const AGE: Duration = Duration::from_millis(200);

fn settings_with_age() -> Settings {
    let mut settings = settings();
    settings.server.max_connection_age = AGE;
    settings.server.request_timeout = Duration::from_mins(1);
    settings
}

/// Waits until a new connection that does nothing is told to go away.
async fn outlive_a_connection(server: SocketAddr) {
    // The preface of HTTP/2 and settings without content (RFC 9113 §3.4).
    const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const GOAWAY: u8 = 7;
    let mut connection = TcpStream::connect(server).await.unwrap();
    connection.write_all(OPENING).await.unwrap();
    soon("going away", async {
        loop {
            // Length, type, flags and stream of a frame (§4.1), then its payload.
            let mut header = [0; 9];
            connection.read_exact(&mut header).await.unwrap();
            let [high, middle, low, kind, ..] = header;
            if kind == GOAWAY {
                return;
            }
            let mut payload = vec![0; usize::from(middle) << 8 | usize::from(low)];
            assert_eq!(high, 0, "frames of at most 16 KiB");
            connection.read_exact(&mut payload).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_older_than_its_connection_may_be_is_finished_though_a_drain_would_cut_it() {
    let mut settings = settings_with_age();
    settings.server.drain_timeout = Duration::ZERO;
    let service = InProcess::start(&settings);
    let call = HeldCall::begin(&service.channel().await).await;
    // Two, one after the other, last longer than any one does, whatever its share of chance.
    outlive_a_connection(service.grpc).await;
    outlive_a_connection(service.grpc).await;
    let request = new_user("Ada", "ada@example.com");
    call.finish(request).await.expect("is answered");
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_with_its_old_connection() {
    let mut settings = settings_with_age();
    settings.server.drain_timeout = AGE;
    settings.server.request_timeout = AGE;
    let service = InProcess::start(&settings);
    let mut health = HealthClient::new(service.channel().await);
    let watch = health.watch(HealthCheckRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    soon("cutting", async {
        while let Ok(Some(_)) = watch.message().await {}
    })
    .await;
}

#[tokio::test]
async fn a_call_beyond_those_that_there_may_be_is_refused_and_health_still_answers() {
    let mut settings = settings();
    settings.server.max_concurrent_calls = 1;
    let service = InProcess::start(&settings);
    let channel = service.channel().await;
    let call = HeldCall::begin(&channel).await;
    let mut client = Client::new(channel.clone());
    let refused = client.list_users(ListUsersRequest::default()).await;
    let refused = refused.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, reason::SERVER_OVERLOADED);
    let answer = health(&channel, names::API).await;
    assert_eq!(answer, Some(ServingStatus::Serving));
    let request = new_user("Ada", "ada@example.com");
    call.finish(request).await.expect("is answered");
    let listed = client.list_users(ListUsersRequest::default()).await;
    listed.expect("its place is free again");
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    let status = client
        .create_user(new_user(&"x".repeat(70_000), "ada@example.com"))
        .await
        .unwrap_err();
    assert_reason(&status, Code::OutOfRange, reason::MESSAGE_TOO_LARGE);
}

/// What a call of this method ends with that has these headers and this body, messages with their frames.
async fn refusal(
    service: &InProcess,
    method: &str,
    headers: &[(&str, &str)],
    body: &'static [u8],
) -> Status {
    let request = http::Request::post(method).body(Body::new(Full::from(body)));
    let mut request = request.unwrap();
    for (name, value) in headers {
        let name = http::HeaderName::try_from(*name).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let call = service.channel().await.oneshot(request);
    let answer = soon("the answer", call).await.unwrap();
    Status::from_header_map(answer.headers()).expect("it is refused")
}

const CREATE_USER: &str = "/user.v1.UserService/CreateUser";
/// A message without content, in its frame: not compressed, and four bytes of length.
const EMPTY: &[u8] = b"\0\0\0\0\0";

#[tokio::test]
async fn errors_of_the_transport_have_an_error_info_too() {
    let service = InProcess::start(&settings());
    for method in ["/user.v1.UserService/Nothing", "/nobody.v1.Service/Nothing"] {
        let unknown = refusal(&service, method, &[], EMPTY).await;
        assert_reason(&unknown, Code::Unimplemented, reason::METHOD_NOT_FOUND);
    }
    let request = HealthCheckRequest {
        service: "nobody.v1.Service".to_owned(),
    };
    let mut health = HealthClient::new(service.channel().await);
    let unknown = health.check(request).await.unwrap_err();
    assert_reason(&unknown, Code::NotFound, reason::SERVICE_NOT_FOUND);
}

#[tokio::test]
async fn who_compresses_is_told_that_this_is_what_cannot_be_read() {
    let service = InProcess::start(&settings());
    for encoding in ["gzip", "zstd", "of-our-own"] {
        let headers = [("grpc-encoding", encoding)];
        let refused = refusal(&service, CREATE_USER, &headers, b"\x01\0\0\0\x02\x1f\x8b").await;
        let unreadable = reason::ENCODING_NOT_SUPPORTED;
        assert_reason(&refused, Code::Unimplemented, unreadable);
        let accepted = refused.metadata().get("grpc-accept-encoding");
        assert_eq!(accepted.expect("says what can be"), "identity");
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_the_fault_of_its_sender() {
    let service = InProcess::start(&settings());
    let bodies: [(&str, &[u8]); 6] = [
        ("no message", b""),
        ("half a head", b"\0\0\0"),
        ("half a message", b"\0\0\0\0\x05ab"),
        ("no protobuf", b"\0\0\0\0\x02\xff\xff"),
        ("compressed, not said how", b"\x01\0\0\0\x02\x1f\x8b"),
        ("an unknown flag", b"\x02\0\0\0\0"),
    ];
    for (name, body) in bodies {
        let refused = refusal(&service, CREATE_USER, &[], body).await;
        assert_eq!(refused.code(), Code::InvalidArgument, "{name}: {refused}");
        assert_reason(&refused, Code::InvalidArgument, reason::MALFORMED_REQUEST);
    }
}

#[tokio::test]
async fn errors_of_reflection_have_an_error_info_too() {
    let service = InProcess::start(&settings());
    let nothing = || "nobody.v1.Nothing".to_owned();
    let extension = ExtensionRequest {
        containing_type: nothing(),
        extension_number: 1,
    };
    let absent = (Code::NotFound, reason::DESCRIPTOR_NOT_FOUND);
    let cases = [
        (Some(MessageRequest::FileByFilename(nothing())), absent),
        (
            Some(MessageRequest::FileContainingSymbol(nothing())),
            absent,
        ),
        (
            Some(MessageRequest::FileContainingExtension(extension)),
            absent,
        ),
        (None, (Code::InvalidArgument, reason::MALFORMED_REQUEST)),
    ];
    for (message_request, (code, reason)) in cases {
        let question = ServerReflectionRequest {
            host: String::new(),
            message_request,
        };
        let mut client = ServerReflectionClient::new(service.channel().await);
        let answers = client.server_reflection_info(tokio_stream::once(question));
        let mut answers = answers.await.unwrap().into_inner();
        let refused = soon("the answer", answers.message()).await.unwrap_err();
        assert_reason(&refused, code, reason);
    }
}

#[tokio::test]
async fn without_reflection_nobody_learns_the_descriptors() {
    let mut settings = settings();
    settings.server.reflection = Reflection::Disabled;
    let service = InProcess::start(&settings);
    for method in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        let refused = refusal(&service, method, &[], EMPTY).await;
        assert_reason(&refused, Code::Unimplemented, reason::METHOD_NOT_FOUND);
    }
}
