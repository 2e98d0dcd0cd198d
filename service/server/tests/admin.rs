//! What the admin port answers, and to whom.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/process.rs"]
mod process;
mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use process::Process;
use serde_json::{Value, json};
use support::{connect, health, http_get, http_put, until};
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

#[tokio::test]
async fn the_level_of_the_log_is_changed_from_loopback_alone() {
    let process = Process::spawn(&[("USERSVC_ADMIN_ADDRESS", "0.0.0.0:0")]);
    let (_, admin) = process.serving().await;
    let from_outside = SocketAddr::new(address_for_others(), admin.port());
    let from_inside = SocketAddr::from((Ipv4Addr::LOCALHOST, admin.port()));

    let refused = http_put(from_outside, path::LOG_LEVEL, "debug").await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let told = http_get(from_outside, path::LOG_LEVEL).await;
    assert!(told.ends_with("\r\n\r\ninfo\n"), "as it was: {told}");
    let changed = http_put(from_inside, path::LOG_LEVEL, "debug").await;
    assert!(changed.starts_with("HTTP/1.1 200"), "{changed}");
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
