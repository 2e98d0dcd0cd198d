//! Telemetry that nobody takes.

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

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use process::Process;
use support::{connect, http_get, new_user, soon, until};
use tokio::net::TcpListener;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_settings::{exit_code, path};

/// What the end takes at most where nothing else is left to do: a second for telemetry, one for the admin port, and some
/// to spare. To wait for the collector's answer would take five at least.
const END: Duration = Duration::from_secs(4);

#[tokio::test]
async fn without_a_collector_that_answers_calls_and_the_end_are_as_ever_and_the_log_says_it_once() {
    let mut process = Process::spawn(&[
        ("USERSVC_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("USERSVC_OTLP_METRICS", "enabled"),
        ("USERSVC_TRACE_SAMPLING", "100%"),
        ("USERSVC_DRAIN_DELAY", "0s"),
    ]);
    let (grpc, admin) = process.serving().await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    for number in 0..2 {
        let failed = format!("otlp_spans_total{{result=\"failed\"}} {}", number + 1);
        let user = new_user("Ada", &format!("ada{number}@example.com"));
        client.create_user(user).await.unwrap();
        until("the span is given up", || async {
            http_get(admin, path::METRICS).await.contains(&failed)
        })
        .await;
    }
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));
    for what in ["sending spans does not", "sending metrics does not"] {
        let said = process
            .stderr
            .json()
            .iter()
            .filter(|line| line["message"].as_str().unwrap().starts_with(what))
            .count();
        assert_eq!(said, 1, "{what}: {}", process.log());
    }
}

/// What the threads of a process are called, as far as the kernel keeps it.
fn threads(process: &Process) -> BTreeSet<String> {
    let process = process.child.id().expect("still runs");
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // One that has ended meanwhile has no name any more.
    let names =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_calls_nor_the_end_and_the_log_says_what_is_left()
 {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap();
    let mut process = Process::spawn(&[
        ("USERSVC_OTLP_ENDPOINT", &format!("http://{address}")),
        ("USERSVC_OTLP_METRICS", "enabled"),
        ("USERSVC_TRACE_SAMPLING", "100%"),
        ("USERSVC_DRAIN_DELAY", "0s"),
    ]);
    let (grpc, _) = process.serving().await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    client
        .create_user(new_user("Ada", "ada@example.com"))
        .await
        .unwrap();
    // One is for metrics and one for the span of the call.
    let metrics = soon("sending metrics", mute.accept()).await.unwrap();
    let spans = soon("sending spans", mute.accept()).await.unwrap();
    let meanwhile = client.create_user(new_user("Ada", "other@example.com"));
    soon("a call", meanwhile).await.unwrap();
    let threads = threads(&process);
    assert!(threads.contains("telemetry"), "{threads:?}");

    let asked = Instant::now();
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));
    assert!(asked.elapsed() < END, "{:?}", asked.elapsed());
    let log = process.log();
    assert!(log.contains("spans or metrics were left"), "{log}");
    drop((metrics, spans));
}
