//! Over real sockets, with the bounds that are no settings, on a clock that goes on by itself where nothing else happens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::service_fn;

use super::{KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, Limits, serve};
use crate::connection::OPENING_TIMEOUT;
use crate::telemetry::Journal;

/// The preface of HTTP/2 and settings without content (RFC 9113 §3.4).
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn server(connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(listener, connections);
    address
}

fn spawn(listener: TcpListener, connections: usize) {
    let limits = Limits {
        connections,
        concurrent_streams: 1,
        age: None,
        drain_timeout: Duration::ZERO,
        http2_only: true,
    };
    let service_for = |_| {
        service_fn(|_: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        })
    };
    let stop = CancellationToken::new();
    let journal = Journal::of_command().unwrap();
    tokio::spawn(serve(listener, None, service_for, limits, journal, stop));
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
