//! Over real sockets, with the bounds that are no settings, on a clock that goes on by itself where nothing else happens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::service_fn;

use super::serve;
use crate::connection::{OPENING_TIMEOUT, UNREAD_TIMEOUT};
use crate::limits::{KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, Limits};
use crate::telemetry::Journal;

/// The preface of HTTP/2 and settings without content (RFC 9113 §3.4).
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Longer than the least that calls have on a connection whose client leaves answers unread.
const CALL_TIMEOUT: Duration = UNREAD_TIMEOUT.saturating_mul(2);

/// The settings of a client that leaves room for so many bytes of each answer, and a call that is answered with more.
fn asking(room: u8) -> Vec<u8> {
    let settings: [u8; 15] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, room];
    // POST, http and / of the static table (RFC 7541 §A), at the end of headers and stream.
    let call: [u8; 12] = [0, 0, 3, 1, 5, 0, 0, 0, 1, 0x83, 0x86, 0x84];
    [OPENING, &settings, &call].concat()
}

async fn server(connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(listener, connections, CancellationToken::new());
    address
}

fn spawn(listener: TcpListener, connections: usize, stop: CancellationToken) -> JoinHandle<usize> {
    let limits = Limits {
        connections,
        concurrent_streams: 1,
        age: None,
        call_timeout: CALL_TIMEOUT,
        drain_timeout: UNREAD_TIMEOUT * 10,
        http2_only: true,
        makes_room: false,
    };
    let service_for = |_| {
        service_fn(|_: Request<Incoming>| async {
            let answer = Full::<Bytes>::from(vec![0; 100_000]);
            Ok::<_, Infallible>(Response::new(Body::new(answer)))
        })
    };
    let journal = Journal::of_command().unwrap();
    tokio::spawn(serve(listener, None, service_for, limits, journal, stop))
}

async fn connect(server: SocketAddr, said: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(said).await.unwrap();
    stream
}

/// How long it takes at most until the server hangs up on who says this: the clock may go on as well while a byte is
/// on its way.
async fn hung_up(server: SocketAddr, said: &[u8]) -> Duration {
    let start = Instant::now();
    let mut connection = connect(server, said).await;
    // Whether it ends or is reset.
    let _ = connection.read_to_end(&mut Vec::new()).await;
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn who_does_not_begin_in_time_is_hung_up_on() {
    let server = server(8).await;
    for said in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let took = hung_up(server, said).await;
        assert!(took >= OPENING_TIMEOUT, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_no_sign_of_life_is_hung_up_on() {
    let server = server(8).await;
    let took = hung_up(server, OPENING).await;
    let bound = KEEP_ALIVE_INTERVAL + KEEP_ALIVE_TIMEOUT;
    assert!(took >= bound, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_an_answer_unread_is_hung_up_on() {
    let server = server(8).await;
    // The transport waits for room in the one case, and has put the whole answer by in the other.
    for room in [0, 1] {
        let took = hung_up(server, &asking(room)).await;
        // Long before it is for want of a sign of life.
        let bounds = UNREAD_TIMEOUT * 2..KEEP_ALIVE_INTERVAL + KEEP_ALIVE_TIMEOUT;
        assert!(bounds.contains(&took), "{room}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_an_answer_unread_does_not_hold_the_drain_up_to_its_bound() {
    for room in [0, 1] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = spawn(listener, 8, stop.clone());
        let mut client = connect(address, &asking(room)).await;
        let headers_of_the_answer = [1, 4, 0, 0, 0, 1];
        let mut read = Vec::new();
        while !read.ends_with(&headers_of_the_answer) {
            read.push(client.read_u8().await.unwrap());
        }
        let asked = Instant::now();
        stop.cancel();
        assert_eq!(serving.await.unwrap(), 0, "none is cut by the drain");
        let took = asked.elapsed();
        let bound = UNREAD_TIMEOUT * 2 + CALL_TIMEOUT;
        let a_little = Duration::from_secs(1);
        assert!(took < bound + a_little, "{room}: {took:?}");
    }
}

/// Runs on the clock of everybody: time that went on by itself would end the first connection.
#[tokio::test]
async fn a_connection_beyond_those_that_there_may_be_waits_for_its_turn() {
    let server = server(1).await;
    let mut first = connect(server, OPENING).await;
    first.read_u8().await.unwrap();
    let mut second = connect(server, OPENING).await;
    // The first is answered still, and the second not yet.
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    first.write_all(&ping).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(&[1, 2, 3, 4, 5, 6, 7, 8]) {
        answer.push(first.read_u8().await.unwrap());
    }
    let mut byte = [0];
    let early = second.try_read(&mut byte).expect_err("is not served yet");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    let turn = tokio::time::timeout(Duration::from_secs(20), second.read_u8()).await;
    turn.expect("comes in time").expect("is served");
}
