//! What the admin port answers, and to whom.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/http2.rs"]
mod http2;
#[path = "support/process.rs"]
mod process;
mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use process::Process;
use serde_json::{Value, json};
use support::{InProcess, connect, health, http_get, settings, soon, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tonic::transport::Endpoint;
use tonic_health::pb::health_check_response::ServingStatus;
use user_settings::{health as names, metric, path};

/// An address of this machine that others reach it by. Nothing is sent to find it out.
fn address_for_others() -> IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let routed = socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9));
    let address = socket.local_addr().unwrap().ip();
    assert!(
        routed.is_ok() && !address.is_loopback(),
        "this machine has no IPv4 address beside loopback with a default route, and without one nobody can be refused \
         as a stranger here: run it where there is a network, a container's is enough ({routed:?})"
    );
    address
}

/// A connection from this address of this machine.
async fn connect_from(address: IpAddr, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(address, 0)).unwrap();
    socket.connect(server).await.expect("accepts connections")
}

/// All that is answered to this, which asks to be hung up on.
async fn answer(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    answer
}

#[tokio::test]
async fn the_level_of_the_log_is_changed_from_within_the_pod_alone() {
    const LEVEL: &str =
        "PUT /loglevel HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
    let process = Process::spawn(&[("USERSVC_ADMIN_ADDRESS", "[::]:0")]);
    let (_, admin) = process.serving().await;
    let inside = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let outside = address_for_others();
    // Whence the proxy of Istio in the pod hands on what comes from outside.
    let handed_on = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));

    for (stranger, to) in [(outside, outside), (handed_on, inside)] {
        let to = SocketAddr::new(to, admin.port());
        let refused = answer(connect_from(stranger, to).await, LEVEL).await;
        let why = "without waiting for the body";
        assert!(refused.starts_with("HTTP/1.1 403"), "{why}: {refused}");
    }
    let admin = SocketAddr::new(inside, admin.port());
    let told = http_get(admin, path::LOG_LEVEL).await;
    assert!(told.ends_with("\r\n\r\ninfo\n"), "as it was: {told}");
    let changed = format!("{LEVEL}debug");
    let changed = answer(connect_from(inside, admin).await, &changed).await;
    assert!(changed.starts_with("HTTP/1.1 200"), "{changed}");
}

/// More connections than the admin port has.
const CROWD: usize = 80;
/// Whose kubelet and scrapers come from elsewhere than the crowd.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A request that somebody local may make, and does not end.
const UNFINISHED: &str = "PUT /loglevel HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n";

/// Connections that begin so, and that nobody ends.
async fn crowd(admin: SocketAddr, opening: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut stream = connect_from(HERE, admin).await;
        stream.write_all(opening).await.unwrap();
        crowd.push(stream);
    }
    crowd
}

/// Asks as the kubelet does: on a connection of its own, and no longer than the operator has it wait.
async fn is_alive(from: IpAddr, admin: SocketAddr) -> bool {
    let endpoint = Endpoint::from_shared(format!("http://{admin}")).unwrap();
    let endpoint = endpoint.local_address(Some(from));
    let probe = async {
        let channel = endpoint.connect().await.unwrap();
        health(&channel, names::LIVENESS).await
    };
    let answer = timeout(Duration::from_secs(2), probe).await;
    answer.is_ok_and(|answer| answer == Some(ServingStatus::Serving))
}

/// A connection that is kept, as Prometheus keeps its own.
async fn scraper(from: IpAddr, admin: SocketAddr) -> SendRequest<Empty<Bytes>> {
    let stream = TokioIo::new(connect_from(from, admin).await);
    let (scraper, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    scraper
}

async fn scrape(scraper: &mut SendRequest<Empty<Bytes>>) {
    let request = http::Request::get(path::METRICS).header("host", "test");
    let request = request.body(Empty::new()).unwrap();
    let scrape = async {
        scraper.ready().await.expect("is open still");
        let answer = scraper.send_request(request).await.expect("is answered");
        answer.into_body().collect().await.expect("to the end")
    };
    let text = soon("metrics", scrape).await.to_bytes();
    assert!(text.ends_with(b"# EOF\n"), "{text:?}");
}

#[tokio::test]
async fn whoever_holds_connections_keeps_no_probe_out_from_wherever_it_comes() {
    let service = InProcess::start(&settings());
    for opening in [http2::opening(), UNFINISHED.into()] {
        let crowd = crowd(service.admin, &opening).await;
        for from in [ELSEWHERE, HERE] {
            assert!(is_alive(from, service.admin).await, "{from}");
        }
        drop(crowd);
    }
}

#[tokio::test]
async fn whoever_asks_for_connections_without_end_costs_others_none() {
    let service = InProcess::start(&settings());
    let mut scraper = scraper(ELSEWHERE, service.admin).await;
    scrape(&mut scraper).await;
    let mut crowd = crowd(service.admin, &http2::opening()).await;
    // Connections are accepted in order: when a later one is answered, these are accepted.
    assert!(is_alive(ELSEWHERE, service.admin).await);
    scrape(&mut scraper).await;
    // Whether it ends or is reset.
    let _ = soon("the end", crowd[0].read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn many_scrapers_and_probes_behind_one_address_are_all_answered() {
    let service = InProcess::start(&settings());
    let mut scrapers = Vec::new();
    for _ in 0..CROWD / 2 {
        scrapers.push(scraper(HERE, service.admin).await);
    }
    for _ in 0..2 {
        for scraper in &mut scrapers {
            scrape(scraper).await;
            assert!(is_alive(HERE, service.admin).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_is_not_waited_for_without_end() {
    let service = InProcess::start(&settings());
    let mut stream = connect_from(HERE, service.admin).await;
    stream.write_all(UNFINISHED.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_mins(2), stream.read_to_end(&mut answer)).await;
    // Whether it ends or is reset.
    assert!(ended.is_ok(), "is still waited for");
}

/// The status, and what the body says.
async fn readiness(admin: SocketAddr) -> (String, Value) {
    let answer = http_get(admin, path::READINESS).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/json"), "{head}");
    let status = head.split(' ').nth(1).unwrap();
    (status.to_owned(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn readiness_tells_the_phase_and_how_each_dependency_is() {
    let process = Process::spawn(&[("USERSVC_DRAIN_DELAY", "20s")]);
    let (_, admin) = process.serving().await;
    let relay = json!({"relay": {"ready": true}});
    until("the relay is active", || async {
        readiness(admin).await.1["dependencies"] == relay
    })
    .await;
    let expected = json!({"phase": "serving", "dependencies": relay});
    assert_eq!(readiness(admin).await, ("200".to_owned(), expected));

    process.signal("TERM").await;
    until("draining", || async {
        let (status, detail) = readiness(admin).await;
        status == "503" && detail["phase"] == "draining"
    })
    .await;
}

#[tokio::test]
async fn readiness_tells_why_a_dependency_is_waited_for_and_no_secret() {
    let uri = std::env::temp_dir().join(format!("users-uri-{}", std::process::id()));
    let nobody = "mongodb://ada:hunter2@127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=50";
    std::fs::write(&uri, nobody).unwrap();
    let process = Process::spawn(&[
        ("USERSVC_STORAGE", "mongodb"),
        ("USERSVC_MONGODB_URI_FILE", uri.to_str().unwrap()),
    ]);
    let admin = process.admin().await;
    let database = |detail: &Value| detail["dependencies"]["database"].clone();
    until("the database is waited for", || async {
        database(&readiness(admin).await.1) != Value::Null
    })
    .await;
    let (status, detail) = readiness(admin).await;
    assert_eq!((&*status, &detail["phase"]), ("503", &json!("starting")));
    assert_eq!(database(&detail)["ready"], false);
    assert_ne!(database(&detail)["why"], "", "{detail}");
    assert!(!detail.to_string().contains("hunter2"), "{detail}");
    assert!(!process.log().contains("hunter2"), "{}", process.log());
    let ready = format!(
        "{}{{dependency=\"database\"}} 0\n",
        metric::DEPENDENCY_READY
    );
    let metrics = http_get(admin, path::METRICS).await;
    assert!(metrics.contains(&ready), "{metrics}");
    let probes = connect(admin).await;
    let answer = health(&probes, names::READINESS).await;
    assert_eq!(
        answer,
        Some(ServingStatus::NotServing),
        "as the kubelet sees it"
    );
    let answer = health(&probes, "").await;
    assert_eq!(answer, Some(ServingStatus::NotServing), "by default");
    let answer = health(&probes, names::LIVENESS).await;
    assert_eq!(answer, Some(ServingStatus::Serving));
    std::fs::remove_file(uri).unwrap();
}
