//! What no client means to send: it ends its own connection and nothing else.

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

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use http2::{Connection, END_HEADERS, END_STREAM, code, fields, frame, headers, kind};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{HeldCall, InProcess, assert_reason, health, methods, new_user, settings, soon};
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;
use user_settings::health as names;

const GET_USER: &str = "/user.v1.UserService/GetUser";

fn get_user(stream: u32) -> Vec<u8> {
    headers(stream, &fields(GET_USER))
}

/// What cannot become HTTP/2.
fn openings() -> Vec<(&'static str, Vec<u8>)> {
    let noise = (0..=u8::MAX).cycle().take(10_000).collect();
    vec![
        ("nothing at all", vec![]),
        ("half a preface", b"PRI * HTTP/2.0\r\n".to_vec()),
        ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec()),
        ("noise", noise),
    ]
}

/// Frames that break the protocol, after an opening that does not.
fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let ping = |bytes| frame(kind::PING, 0, 0, &vec![0; bytes]);
    let unfinished = frame(kind::HEADERS, 0, 1, &fields(GET_USER));
    let push = frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]);
    let all = [0x7f, 0xff, 0xff, 0xff];
    vec![
        ("a large frame", frame(kind::DATA, 0, 1, &[0; 16_385])),
        ("a short ping", ping(7)),
        ("short settings", frame(kind::SETTINGS, 0, 0, &[0; 5])),
        ("data without a call", frame(kind::DATA, 0, 1, &[0; 5])),
        ("data of no stream", frame(kind::DATA, 0, 0, &[0; 5])),
        ("a stream of the server's", get_user(2)),
        ("an earlier stream", [get_user(3), get_user(1)].concat()),
        ("a push", [get_user(1), push].concat()),
        (
            "a continuation of nothing",
            frame(kind::CONTINUATION, END_HEADERS, 1, &[]),
        ),
        ("interrupted headers", [unfinished, ping(8)].concat()),
        ("an unknown field", headers(1, &[0xff, 0xff, 0x7f])),
        ("half a field", headers(1, &[0x00, 0x7f, b'a'])),
        ("a large table", headers(1, &[0x3f, 0xff, 0xff, 0xff, 0x7f])),
        ("a large window", frame(kind::WINDOW_UPDATE, 0, 0, &all)),
    ]
}

/// CVE-2023-44487: calls that are given up as soon as they are made.
fn rapid_resets() -> Vec<u8> {
    let cancel = code::CANCEL.to_be_bytes();
    let reset = |stream| frame(kind::RST_STREAM, 0, stream, &cancel);
    let calls = (0..20_000).map(|call| 2 * call + 1);
    let calls = calls.map(|stream| [get_user(stream), reset(stream)].concat());
    calls.collect::<Vec<_>>().concat()
}

/// CVE-2024-27316: headers without an end.
fn endless_headers() -> Vec<u8> {
    let first = frame(kind::HEADERS, END_STREAM, 1, &fields(GET_USER));
    let field = http2::field("x", &"y".repeat(8_000));
    let more = frame(kind::CONTINUATION, 0, 1, &field);
    [first, more.repeat(1_000)].concat()
}

/// Bytes by chance: the same for the same seed.
fn any_bytes(mut seed: u64) -> impl FnMut() -> u8 {
    move || {
        // Knuth's generator.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(seed >> 56).unwrap()
    }
}

/// Frames of any type, about any stream, with any content.
fn any_frames(seed: u64) -> Vec<u8> {
    let mut next = any_bytes(seed);
    let mut any = || {
        let (kind, flags, stream) = (next() % 11, next(), u32::from(next() % 8));
        let payload: Vec<u8> = (0..next() % 64).map(|_| next()).collect();
        frame(kind, flags, stream, &payload)
    };
    (0..32).flat_map(|_| any()).collect()
}

/// What may follow the headers of a call: anything, and every other time as a message with its prefix.
fn any_body(seed: u64) -> Vec<u8> {
    let mut next = any_bytes(seed);
    let length = next() % 64;
    let bytes: Vec<u8> = (0..length).map(|_| next()).collect();
    if seed.is_multiple_of(2) {
        return bytes;
    }
    [&[0, 0, 0, 0, length], bytes.as_slice()].concat()
}

/// Calls the method with this body: how it ended.
async fn call(client: &mut SendRequest<Full<Bytes>>, method: &str, body: Vec<u8>) -> Status {
    let request = Request::post(format!("http://test/user.v1.UserService/{method}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(Full::from(body))
        .unwrap();
    let answer = soon("the answer", client.send_request(request));
    let (head, body) = answer.await.unwrap().into_parts();
    let body = soon("the end", body.collect()).await.unwrap();
    let said = |headers: &HeaderMap| Status::from_header_map(headers);
    let status = said(&head.headers).or_else(|| body.trailers().and_then(said));
    status.expect("ends with a status")
}

/// A service with a call in flight, and a connection for another one.
struct Bystanders {
    service: InProcess,
    call: HeldCall,
    channel: tonic::transport::Channel,
}

impl Bystanders {
    async fn begin() -> Self {
        let service = InProcess::start(&settings());
        let channel = service.channel().await;
        Self {
            call: HeldCall::begin(&channel).await,
            channel,
            service,
        }
    }

    /// Sends it on a connection of its own, whose end it waits for: what the server said.
    async fn send(&self, name: &str, bytes: &[u8]) -> Option<u32> {
        let mut connection = Connection::open(self.service.grpc).await;
        connection.send(bytes).await;
        connection.finish().await;
        let said = connection.end().await;
        let answer = health(&self.channel, names::API).await;
        assert_eq!(answer, Some(ServingStatus::Serving), "{name}");
        said
    }

    async fn are_served(self) {
        let request = new_user("Ada", "ada@example.com");
        self.call.finish(request).await.expect("is answered");
    }
}

#[tokio::test]
async fn what_is_no_http2_is_hung_up_on_and_others_are_served() {
    let bystanders = Bystanders::begin().await;
    for (name, bytes) in openings() {
        assert_eq!(bystanders.send(name, &bytes).await, None, "{name}");
    }
    bystanders.are_served().await;
}

#[tokio::test]
async fn a_frame_that_breaks_the_protocol_ends_its_own_connection_alone() {
    let bystanders = Bystanders::begin().await;
    for (name, bytes) in frames() {
        let said = [http2::opening(), bytes].concat();
        let code = bystanders.send(name, &said).await;
        assert!(code.is_some_and(|code| code != 0), "{name}: {code:?}");
    }
    bystanders.are_served().await;
}

#[tokio::test]
async fn a_flood_of_resets_or_headers_ends_its_own_connection_alone() {
    let bystanders = Bystanders::begin().await;
    for (name, bytes) in [("resets", rapid_resets()), ("headers", endless_headers())] {
        let said = [http2::opening(), bytes].concat();
        let code = bystanders.send(name, &said).await;
        assert_eq!(code, Some(code::ENHANCE_YOUR_CALM), "{name}");
    }
    bystanders.are_served().await;
}

/// As many as the property tests try.
fn seeds() -> u64 {
    match std::env::var("PROPTEST_CASES") {
        Ok(cases) => cases.parse().expect("a number"),
        Err(_) => 200,
    }
}

#[tokio::test]
async fn no_frames_whatever_end_the_process_or_other_connections() {
    let bystanders = Bystanders::begin().await;
    for seed in 0..seeds() {
        let said = [http2::opening(), any_frames(seed)].concat();
        bystanders.send(&format!("seed {seed}"), &said).await;
    }
    bystanders.are_served().await;
}

#[tokio::test]
async fn whatever_follows_the_headers_of_a_call_it_ends_with_a_status_that_says_why() {
    let service = InProcess::start(&settings());
    let stream = TcpStream::connect(service.grpc).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let connecting = handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut client, connection) = connecting.await.unwrap();
    let connection = tokio::spawn(connection);
    let methods = methods();
    for seed in 0..seeds() {
        for method in &methods {
            let status = call(&mut client, method, any_body(seed)).await;
            if status.code() != Code::Ok {
                let info = status.get_details_error_info().expect("has ErrorInfo");
                assert_reason(&status, status.code(), &info.reason);
            }
        }
    }
    assert!(!connection.is_finished(), "one connection serves them all");
}
