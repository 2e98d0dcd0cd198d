//! Calls whose time is over, from a client that leaves it to the server to say so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/http2.rs"]
mod http2;
mod support;

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{InProcess, assert_reason, http_get, new_user, settings, soon, until};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Status};
use user_adapter_grpc::reason;
use user_proto::user::v1::ListUsersRequest;
use user_settings::{metric, path};

const CREATE_USER: &str = "http://test/user.v1.UserService/CreateUser";

type Bytewise = tonic::body::Body;

async fn connect(service: &InProcess) -> SendRequest<Bytewise> {
    let stream = TcpStream::connect(service.grpc).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// Calls `CreateUser` with this header and message: how it ended.
async fn create<B>(client: &mut SendRequest<Bytewise>, timeout: &str, message: B) -> Status
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let request = Request::post(CREATE_USER)
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .body(Bytewise::new(message.map_err(|never| match never {})))
        .unwrap();
    let answer = soon("the answer", client.send_request(request))
        .await
        .unwrap();
    let said = |headers: &HeaderMap| Status::from_header_map(headers);
    if let Some(status) = said(answer.headers()) {
        return status;
    }
    let body = soon("the end", answer.into_body().collect()).await.unwrap();
    body.trailers().and_then(said).expect("ends with a status")
}

fn user(number: usize) -> Full<Bytes> {
    let request = new_user("Ada", &format!("{number}@example.com"));
    Full::new(http2::framed(&request).into())
}

/// The value of this metric.
async fn metric(service: &InProcess, name: &str) -> u64 {
    let text = http_get(service.admin, path::METRICS).await;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.expect("is there").trim().parse().expect("is a number")
}

async fn users(service: &InProcess) -> Vec<String> {
    let request = ListUsersRequest {
        page_size: 1_000,
        ..ListUsersRequest::default()
    };
    let page = service.client().await.list_users(request).await.unwrap();
    let users = page.into_inner().users;
    users.into_iter().map(|user| user.email).collect()
}

#[tokio::test]
async fn of_a_call_that_comes_too_late_nothing_is_begun() {
    let service = InProcess::start(&settings());
    let mut client = connect(&service).await;
    for (number, timeout) in ["0n", "0H", "1n"].into_iter().enumerate() {
        let status = create(&mut client, timeout, user(number)).await;
        assert_reason(&status, Code::DeadlineExceeded, reason::DEADLINE_EXCEEDED);
    }
    assert_eq!(users(&service).await, Vec::<String>::new());
    assert_eq!(metric(&service, metric::USERS_STORED).await, 0);
}

#[tokio::test]
async fn a_call_whose_time_ends_while_it_is_worked_on_exceeds_its_deadline_and_leaves_nothing() {
    const TIME: Duration = Duration::from_millis(50);
    let service = InProcess::start(&settings());
    let mut client = connect(&service).await;
    let (message, messages) = mpsc::channel::<Bytes>(1);
    let messages = ReceiverStream::new(messages).map(|bytes| Ok(Frame::data(bytes)));
    let start = Instant::now();
    let status = create(&mut client, "50m", StreamBody::new(messages)).await;
    assert!(start.elapsed() >= TIME, "{:?}", start.elapsed());
    assert_reason(&status, Code::DeadlineExceeded, reason::DEADLINE_EXCEEDED);
    // Whether its message still finds anybody or not.
    let late = http2::framed(&new_user("Ada", "ada@example.com"));
    let _ = message.send(late.into()).await;
    let status = create(&mut client, "5S", user(1)).await;
    assert_eq!(status.code(), Code::Ok);
    assert_eq!(users(&service).await, ["1@example.com"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_race_their_deadline_are_done_or_exceed_it_and_are_whole_or_nothing() {
    const CALLS: usize = 400;
    let service = InProcess::start(&settings());
    let client = connect(&service).await;
    let calls = (0..CALLS).map(|number| {
        let mut client = client.clone();
        // From nothing at all to more than it takes.
        let micros = if number < CALLS / 2 {
            number * 20
        } else {
            5_000_000
        };
        tokio::spawn(async move {
            let status = create(&mut client, &format!("{micros}u"), user(number)).await;
            (number, status)
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut done = 0;
    for call in calls {
        let (number, status) = call.await.unwrap();
        if status.code() == Code::Ok {
            done += 1;
        } else {
            assert_reason(&status, Code::DeadlineExceeded, reason::DEADLINE_EXCEEDED);
            assert!(number < CALLS / 2, "{number} had all the time");
        }
    }
    assert!((CALLS / 2..CALLS).contains(&done), "{done}");
    let stored = metric(&service, metric::USERS_STORED).await;
    assert!(stored >= u64::try_from(done).unwrap(), "{stored} of {done}");
    until("an event for each user", || async {
        metric(&service, metric::OUTBOX_PUBLISHED).await == stored
    })
    .await;
}
