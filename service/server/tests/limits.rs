//! How much one client may ask for at a time, over real connections.

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

use http2::{Connection, END_STREAM, call, code, fields, frame, headers, kind};
use support::{Client, InProcess, assert_reason, create, health, settings};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use user_adapter_grpc::reason;
use user_proto::user::v1::{GetUserRequest, ListUsersRequest};
use user_settings::{Settings, health as names};

const CREATE_USER: &str = "/user.v1.UserService/CreateUser";
const LIST_USERS: &str = "/user.v1.UserService/ListUsers";
const STREAMS: u32 = 3;
/// `SETTINGS_MAX_CONCURRENT_STREAMS`, `SETTINGS_INITIAL_WINDOW_SIZE` and `SETTINGS_MAX_HEADER_LIST_SIZE` (RFC 9113 §6.5.2).
const MAX_STREAMS: u16 = 3;
const INITIAL_WINDOW: u16 = 4;
const MAX_HEADER_LIST: u16 = 6;

fn few_streams() -> Settings {
    let mut settings = settings();
    settings.server.max_concurrent_streams = STREAMS;
    settings
}

/// What the server allows, as it says in the beginning.
async fn allowed(connection: &mut Connection, setting: u16) -> Option<u32> {
    let settings = connection.next_of(kind::SETTINGS).await?;
    settings.payload.chunks_exact(6).find_map(|entry| {
        let [id_high, id_low, value @ ..] = entry else {
            return None;
        };
        let is_it = u16::from_be_bytes([*id_high, *id_low]) == setting;
        is_it.then(|| u32::from_be_bytes(value.try_into().unwrap()))
    })
}

#[tokio::test]
async fn a_call_beyond_those_of_a_connection_is_refused_unbegun_and_the_others_go_on() {
    let service = InProcess::start(&few_streams());
    let mut connection = Connection::begin(service.grpc).await;
    let streams = allowed(&mut connection, MAX_STREAMS).await;
    assert_eq!(streams, Some(STREAMS));
    for call in 0..=STREAMS {
        let head = headers(2 * call + 1, &fields(CREATE_USER));
        connection.send(&head).await;
    }
    let refused = connection.next_of(kind::RST_STREAM).await.expect("refuses");
    let beyond = 2 * STREAMS + 1;
    assert_eq!(
        (refused.stream, refused.number(0)),
        (beyond, code::REFUSED_STREAM)
    );
    // A call without a message is answered with an error.
    connection
        .send(&frame(kind::DATA, END_STREAM, 1, &[]))
        .await;
    let answer = connection.next_of(kind::HEADERS).await.expect("answers");
    assert_eq!(answer.stream, 1);
    let next = headers(beyond + 2, &fields(CREATE_USER));
    connection.send(&next).await;
    let end = frame(kind::DATA, END_STREAM, beyond + 2, &[]);
    connection.send(&end).await;
    let answer = connection.next_of(kind::HEADERS).await.expect("answers");
    assert_eq!(answer.stream, beyond + 2, "its place is free again");
}

#[tokio::test]
async fn a_client_that_keeps_to_the_limit_has_every_call_answered() {
    let service = InProcess::start(&few_streams());
    let mut client = service.client().await;
    let user_id = create(&mut client, "ada@example.com").await.user_id;
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let (mut client, user_id) = (client.clone(), user_id.clone());
        calls.spawn(async move { client.get_user(GetUserRequest { user_id }).await });
    }
    for answer in support::soon("answers", calls.join_all()).await {
        answer.expect("is answered");
    }
}

#[tokio::test]
async fn a_call_with_too_many_headers_is_refused_and_its_connection_goes_on() {
    let service = InProcess::start(&settings());
    let mut connection = Connection::begin(service.grpc).await;
    let bytes = allowed(&mut connection, MAX_HEADER_LIST).await;
    assert_eq!(bytes, Some(16 * 1024));
    let many = http2::field("x", &"y".repeat(12_000));
    let first = [fields(CREATE_USER), many.clone()].concat();
    connection.send(&frame(kind::HEADERS, 0, 1, &first)).await;
    let rest = frame(kind::CONTINUATION, http2::END_HEADERS, 1, &many);
    connection.send(&rest).await;
    let answer = connection.next_of(kind::HEADERS).await.expect("answers");
    // 431, compressed as a literal or not; there is no gRPC in it.
    assert_eq!((answer.stream, answer.flags & END_STREAM), (1, END_STREAM));
    let small = [
        headers(3, &fields(CREATE_USER)),
        frame(kind::DATA, END_STREAM, 3, &[]),
    ];
    connection.send(&small.concat()).await;
    let answer = connection.next_of(kind::HEADERS).await.expect("answers");
    assert_eq!(answer.stream, 3);
}

#[tokio::test]
async fn a_message_that_says_it_is_large_is_refused_before_it_comes() {
    let service = InProcess::start(&settings());
    let mut connection = Connection::begin(service.grpc).await;
    connection.send(&headers(1, &fields(CREATE_USER))).await;
    let four_gib = [0, 0xff, 0xff, 0xff, 0xff];
    connection.send(&frame(kind::DATA, 0, 1, &four_gib)).await;
    let answer = connection.next_of(kind::HEADERS).await.expect("answers");
    assert_eq!((answer.stream, answer.flags & END_STREAM), (1, END_STREAM));
}

#[tokio::test]
async fn health_is_answered_beside_as_many_calls_as_a_connection_may_have() {
    let service = InProcess::start(&few_streams());
    let mut connection = Connection::begin(service.grpc).await;
    for call in 0..STREAMS {
        let head = headers(2 * call + 1, &fields(CREATE_USER));
        connection.send(&head).await;
    }
    let channel = service.channel().await;
    let answer = health(&channel, names::API).await;
    assert_eq!(answer, Some(ServingStatus::Serving));
    let mut client = Client::new(channel);
    create(&mut client, "ada@example.com").await;
}

/// Asks twice on a new connection that leaves room for so many bytes of each answer; nothing if one is refused.
async fn ask_twice(service: &InProcess, room: u32) -> Option<Connection> {
    let mut connection = Connection::begin(service.grpc).await;
    let window = [&INITIAL_WINDOW.to_be_bytes()[..], &room.to_be_bytes()].concat();
    connection.send(&frame(kind::SETTINGS, 0, 0, &window)).await;
    for stream in [1, 3] {
        let list = call(stream, LIST_USERS, &ListUsersRequest::default());
        connection.send(&list).await;
        let answer = connection.next_of(kind::HEADERS).await.expect("answers");
        if answer.flags & END_STREAM != 0 {
            return None;
        }
    }
    Some(connection)
}

#[tokio::test]
async fn an_answer_counts_as_a_call_until_its_client_has_taken_it_or_is_gone() {
    let mut settings = settings();
    settings.server.max_concurrent_calls = 2;
    let service = InProcess::start(&settings);
    let mut client = service.client().await;
    // Without room the transport waits for some; with a little it has put the whole answer by.
    for room in [0, 1, 0] {
        let both_begun = async {
            loop {
                // The connection before may not be gone yet.
                if let Some(connection) = ask_twice(&service, room).await {
                    return connection;
                }
            }
        };
        let mut connection = support::soon("two places", both_begun).await;
        let refused = client.list_users(ListUsersRequest::default()).await;
        let refused = refused.expect_err("is one too many");
        assert_reason(&refused, Code::ResourceExhausted, reason::SERVER_OVERLOADED);
        let more_room = frame(kind::WINDOW_UPDATE, 0, 1, &1000_u32.to_be_bytes());
        connection.send(&more_room).await;
        let end = connection.next_of(kind::HEADERS).await.expect("goes on");
        assert_eq!((end.stream, end.flags & END_STREAM), (1, END_STREAM));
        let listed = client.list_users(ListUsersRequest::default()).await;
        listed.expect("its place is free again");
    }
}
