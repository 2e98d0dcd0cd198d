//! More calls at a time than there may be, over real connections.

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

use std::sync::mpsc;
use std::time::Duration;

use http2::{Connection, END_STREAM, call, fields, frame, framed, headers, kind};
use support::{Client, HeldCall, InProcess, connect, create, new_user, settings};
use tokio::runtime::Builder;
use user_proto::user::v1::ListUsersRequest;
use user_service::Service;

const LIST_USERS: &str = "/user.v1.UserService/ListUsers";
const MAY_BE_IN_FLIGHT: u32 = 2;
/// Each with one call.
const CONNECTIONS: usize = 10;
/// So many users that listing them takes longer than a thread works before it looks at its connections.
const USERS: usize = 1000;

#[test]
fn calls_that_wait_on_many_connections_are_refused_beyond_those_that_there_may_be() {
    let mut settings = settings();
    settings.server.max_concurrent_calls = MAY_BE_IN_FLIGHT;
    let threads = |count| {
        Builder::new_multi_thread()
            .worker_threads(count)
            .enable_all()
            // What has arrived is looked at where calls make the thread look, and not also every 61 tasks.
            .event_interval(100_000)
            .build()
    };
    let (server, client) = (threads(1).unwrap(), threads(1).unwrap());
    let service = server.block_on(async { Service::bind(&settings).unwrap() });
    let address = service.grpc_address().unwrap();
    server.spawn(service.run(std::future::pending()));
    client.block_on(async {
        let mut users = Client::new(connect(address).await);
        for number in 0..USERS {
            create(&mut users, &format!("{number}@example.com")).await;
        }
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::begin(address).await;
            connection.send(&frame(kind::PING, 0, 0, &[0; 8])).await;
            connection.next_of(kind::PING).await.expect("is served");
            connections.push(connection);
        }
        let (busy, is_busy) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        // The one thread of the server works on something for so long that all calls are there.
        server.spawn(async move {
            busy.send(()).unwrap();
            may_go_on.recv().unwrap();
        });
        is_busy.recv().unwrap();
        for connection in &mut connections {
            let page_size = i32::try_from(USERS).unwrap();
            let list = ListUsersRequest {
                page_size,
                ..Default::default()
            };
            let list = call(1, LIST_USERS, &list);
            connection.send(&list).await;
        }
        go_on.send(()).unwrap();
        let mut refused = 0;
        for connection in &mut connections {
            let answer = connection.next_of(kind::HEADERS).await.expect("answers");
            // An error is all that comes; a listing follows its headers.
            refused += usize::from(answer.flags & END_STREAM != 0);
        }
        // One may be answered before the thread looks for the first time.
        let most = usize::try_from(MAY_BE_IN_FLIGHT).unwrap() + 1;
        assert!(refused >= CONNECTIONS - most, "{refused} were refused");
    });
}

/// More refusals on one connection than it may have streams that the server resets.
const REFUSALS: u32 = 1300;
/// Calls that are begun before the messages of all of them are sent.
const AT_A_TIME: u32 = 50;

#[tokio::test]
async fn refusals_of_calls_whose_message_comes_after_their_headers_leave_the_connection_as_it_is() {
    let mut settings = settings();
    settings.server.max_concurrent_calls = 1;
    settings.server.request_timeout = Duration::from_secs(60);
    let service = InProcess::start(&settings);
    let held = HeldCall::begin(&service.channel().await).await;
    let mut connection = Connection::begin(service.grpc).await;
    let list = framed(&ListUsersRequest::default());
    let mut stream = 1;
    for _ in 0..REFUSALS / AT_A_TIME {
        let streams: Vec<u32> = (stream..).step_by(2).take(AT_A_TIME as usize).collect();
        for stream in &streams {
            connection
                .send(&headers(*stream, &fields(LIST_USERS)))
                .await;
        }
        // Once this is answered, the headers have been seen.
        connection.send(&frame(kind::PING, 0, 0, &[0; 8])).await;
        let mut answered = 0;
        while let Some(frame) = connection.next().await {
            answered += u32::from(frame.kind == kind::HEADERS);
            if frame.kind == kind::PING {
                break;
            }
        }
        for stream in &streams {
            let data = frame(kind::DATA, END_STREAM, *stream, &list);
            connection.send(&data).await;
        }
        while answered < AT_A_TIME {
            let answer = connection.next().await.expect("the connection stays");
            assert_ne!(answer.kind, kind::GOAWAY, "the connection stays");
            answered += u32::from(answer.kind == kind::HEADERS);
        }
        stream += 2 * AT_A_TIME;
    }
    let held = held.finish(new_user("Ada", "ada@example.com")).await;
    held.expect("the one that has a place goes on");
    connection
        .send(&call(stream, LIST_USERS, &ListUsersRequest::default()))
        .await;
    let answer = connection.next_of(kind::HEADERS).await.expect("answers");
    assert_eq!(answer.flags & END_STREAM, 0, "it is answered");
}
