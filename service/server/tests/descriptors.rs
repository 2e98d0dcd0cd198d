//! The binary where file descriptors are few: each connection takes one.

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

use std::time::{Duration, SystemTime};

use http2::Connection;
use process::Process;
use support::{connect, health, http_get, until};
use tokio::process::Command;
use tonic_health::pb::health_check_response::ServingStatus;
use user_settings::{health as names, metric, path};

const SERVING: Option<ServingStatus> = Some(ServingStatus::Serving);
/// How long it waits after it could not accept a connection.
const PAUSE: Duration = Duration::from_millis(100);
const FAILURES: usize = 4;

/// Sets how many descriptors the process may have.
async fn limit(process: &Process, soft: u32) {
    let pid = process.child.id().expect("still runs").to_string();
    let limit = format!("--nofile={soft}:");
    let set = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status()
        .await
        .expect("prlimit runs");
    assert!(set.success());
}

/// When the process said that it could not accept a connection.
fn failures(process: &Process) -> Vec<SystemTime> {
    let log = process.stderr.json();
    let failed = log
        .iter()
        .filter(|line| line["message"] == "a connection was not accepted");
    failed
        .map(|line| humantime::parse_rfc3339(line["timestamp"].as_str().unwrap()).unwrap())
        .collect()
}

#[tokio::test]
async fn connections_that_cannot_be_accepted_are_tried_for_without_haste_and_accepted_later() {
    let process = Process::spawn(&[]);
    let (grpc, admin) = process.serving().await;
    limit(&process, 1).await;
    let mut waiting = Connection::begin(grpc).await;
    until("failures", || async {
        failures(&process).len() >= FAILURES
    })
    .await;
    let at = failures(&process);
    let took = at[FAILURES - 1].duration_since(at[0]).unwrap();
    let least = PAUSE * u32::try_from(FAILURES - 1).unwrap();
    // The log counts in microseconds, cut off.
    assert!(took + Duration::from_micros(1) >= least, "{took:?}");
    limit(&process, 100).await;
    waiting.next().await.expect("is served");
    let metrics = http_get(admin, path::METRICS).await;
    let counted = metrics.lines().find_map(|line| {
        let (name, count) = line.split_once(' ')?;
        (name == metric::CONNECTIONS_REFUSED).then(|| count.parse::<usize>().unwrap())
    });
    assert!(counted.expect("is counted") >= FAILURES, "{counted:?}");
}

#[tokio::test]
async fn probes_are_answered_though_clients_ask_for_more_connections_than_there_are_descriptors() {
    const DESCRIPTORS: usize = 160;
    let limited = format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}");
    let process = Process::spawn_by(&["prlimit", &limited], &[]);
    let (grpc, admin) = process.serving().await;
    let mut held = Vec::new();
    for _ in 0..DESCRIPTORS + 8 {
        held.push(Connection::begin(grpc).await);
    }
    held[0].next().await.expect("is served");
    for _ in 0..3 {
        let probe = connect(admin).await;
        assert_eq!(health(&probe, names::READINESS).await, SERVING);
    }
    assert!(failures(&process).is_empty(), "{}", process.log());
    // Whoever waited has a turn when others go.
    let mut last = held.pop().expect("is there");
    drop(held);
    last.next().await.expect("is served");
}

#[tokio::test]
async fn it_takes_as_many_descriptors_as_it_may() {
    let process = Process::spawn_by(&["prlimit", "--nofile=64:4096"], &[]);
    process.serving().await;
    let pid = process.child.id().expect("still runs");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: Vec<&str> = files.expect("is there").split_whitespace().collect();
    assert_eq!(files[3..5], ["4096", "4096"]);
}
