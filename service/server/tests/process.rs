//! The binary as a process: signals, exit codes, and what it prints.

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
#[path = "support/tls.rs"]
mod tls;

use std::time::Instant;

use process::Process;
use support::{HeldCall, assert_reason, connect, health, http_get, new_user, soon, until};
use tokio::process::Command;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;
use user_adapter_grpc::reason;
use user_proto::user::v1::GetUserRequest;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_settings::{FLUSH_TIMEOUT, exit_code, health as names, metric, path};

const SIGINT: i32 = 2;
const NAME: &str = "Wilhelmina Quux";
const EMAIL: &str = "Wilhelmina.Quux@example.com";

#[tokio::test]
async fn on_sigterm_calls_finish_events_are_published_and_nothing_personal_is_printed() {
    let mut process = Process::spawn(&[
        ("USERSVC_LOG_LEVEL", "trace"),
        ("USERSVC_DRAIN_DELAY", "300ms"),
    ]);
    let (grpc, admin) = process.serving().await;
    let (api, probes) = (connect(grpc).await, connect(admin).await);
    let mut client = UserServiceClient::new(api.clone());
    let created = client
        .create_user(new_user(NAME, EMAIL))
        .await
        .unwrap()
        .into_inner();
    client
        .create_user(new_user(NAME, &EMAIL.to_uppercase()))
        .await
        .expect_err("duplicate");
    client
        .create_user(new_user(NAME, &format!("{EMAIL} <x>")))
        .await
        .expect_err("malformed");
    client
        .get_user(GetUserRequest {
            user_id: created.user_id.clone(),
        })
        .await
        .unwrap();
    let held = HeldCall::begin(&api).await;

    process.signal("TERM").await;
    let not_serving = Some(ServingStatus::NotServing);
    until("NOT_SERVING", || async {
        health(&probes, names::READINESS).await == not_serving
    })
    .await;
    let metrics = http_get(admin, path::METRICS).await;
    let last = held
        .finish(new_user("Xerxes Quux", "xerxes.quux@example.com"))
        .await;
    let last = last.expect("a call in flight is answered");
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));

    let subjects: Vec<String> = process
        .stdout
        .json()
        .iter()
        .map(|e| e["subject"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(subjects, [created.user_id, last.user_id]);
    let printed = [
        process.stdout.lines().join("\n"),
        process.stderr.lines().join("\n"),
        metrics,
    ];
    for text in printed {
        assert!(!text.to_lowercase().contains("quux"), "{text}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut process = Process::spawn(&[("USERSVC_DRAIN_DELAY", "60s")]);
    process.serving().await;
    process.signal("TERM").await;
    until("draining", || async {
        process
            .stderr
            .lines()
            .iter()
            .any(|line| line.contains("draining"))
    })
    .await;
    process.signal("INT").await;
    assert_eq!(
        process.exit_code().await,
        i32::from(exit_code::SIGNAL_BASE) + SIGINT
    );
}

#[tokio::test]
async fn events_that_nobody_takes_are_told_of_and_end_in_failure_within_the_bound() {
    let mut process = Process::spawn(&[("USERSVC_DRAIN_DELAY", "0s")]);
    let (grpc, admin) = process.serving().await;
    // Closes the reading end of standard output.
    process.stdout.reader.abort();
    until("closing", || async { process.stdout.reader.is_finished() }).await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    client
        .create_user(new_user(NAME, EMAIL))
        .await
        .expect("calls go on");
    until("a retry", || async {
        process.log().contains("publishing failed")
    })
    .await;
    let metrics = http_get(admin, path::METRICS).await;
    assert!(
        metrics.contains(&format!("\n{} 1\n", metric::OUTBOX_PENDING)),
        "{metrics}"
    );

    let asked = Instant::now();
    process.signal("TERM").await;
    let status = soon("the end", process.child.wait()).await.unwrap();
    soon("standard error", &mut process.stderr.reader)
        .await
        .unwrap();
    let failure = Some(i32::from(exit_code::FAILURE));
    assert_eq!(status.code(), failure, "{}", process.log());
    assert!(asked.elapsed() >= FLUSH_TIMEOUT);
    assert!(
        process.log().contains("events or writes were left"),
        "{}",
        process.log()
    );
}

#[tokio::test]
async fn with_more_events_than_can_wait_a_write_is_told_when_to_come_back() {
    let process = Process::spawn(&[]);
    let (grpc, _) = process.serving().await;
    process.stdout.reader.abort();
    until("closing", || async { process.stdout.reader.is_finished() }).await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    let mut waiting = 0;
    let refused = loop {
        let request = new_user(NAME, &format!("{waiting}@example.com"));
        match client.create_user(request).await {
            Ok(_) => waiting += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(waiting, 10_000);
    assert_reason(&refused, Code::ResourceExhausted, reason::OUTBOX_FULL);
    let retry = refused.get_details_retry_info().expect("says when");
    assert!(retry.retry_delay.is_some());
}

#[tokio::test]
async fn bad_settings_are_all_told_and_have_their_exit_code() {
    let vars = [
        ("USERSVC_LOG_LEVEL", "loud"),
        ("USERSVC_DRAIN_DELAY", "2h"),
        ("USERSVC_TYPO", "1"),
    ];
    let mut process = Process::spawn(&vars);
    assert_eq!(process.exit_code().await, i32::from(exit_code::CONFIG));
    let told = process.log();
    for (name, _) in vars {
        assert!(told.contains(name), "{told}");
    }
}

#[tokio::test]
async fn tls_files_that_cannot_be_used_at_start_are_told_and_have_their_exit_code() {
    let vars = [
        ("USERSVC_TLS", "server"),
        ("USERSVC_TLS_CERTIFICATE_FILE", "/nowhere/tls.crt"),
    ];
    let mut process = Process::spawn(&vars);
    assert_eq!(process.exit_code().await, i32::from(exit_code::CONFIG));
    let told = process.log();
    assert!(told.contains("cannot read /nowhere/tls.crt"), "{told}");
}

#[tokio::test]
async fn tls_files_that_cannot_be_used_while_it_runs_are_told_and_stop_nothing() {
    let authority = tls::Authority::new();
    let volume = tls::SecretVolume::new(&authority.issue("users.example").files());
    let vars = [
        ("USERSVC_TLS", "server"),
        ("USERSVC_TLS_CERTIFICATE_FILE", &volume.path("tls.crt")),
        ("USERSVC_TLS_KEY_FILE", &volume.path("tls.key")),
    ];
    let process = Process::spawn(&vars);
    let (grpc, _) = process.serving().await;
    volume.replace(&[("tls.crt", "no certificate"), ("tls.key", "no key")]);
    until("a complaint", || async {
        process.log().contains("the old ones stay in force")
    })
    .await;
    let client = authority.client(None);
    tls::call(grpc, &client).await.expect("is served");
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut process = Process::spawn(&[("USERSVC_GRPC_ADDRESS", &address)]);
    assert_eq!(process.exit_code().await, i32::from(exit_code::FAILURE));
    let told = process.log();
    assert!(
        told.contains(&format!("cannot listen on {address} for gRPC")),
        "{told}"
    );
}

#[tokio::test]
async fn help_lists_every_setting() {
    let binary = env!("CARGO_BIN_EXE_user-service");
    let help = Command::new(binary).arg("--help").output().await.unwrap();
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    for row in user_settings::reference() {
        assert!(
            text.contains(row.name) && text.contains(row.doc),
            "{}",
            row.name
        );
    }
}

/// One that this process may run on.
fn first_processor() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .expect("the kernel says it");
    let first = allowed.trim().split([',', '-']).next().unwrap();
    first.to_owned()
}

#[tokio::test]
async fn calls_are_answered_by_as_many_threads_as_there_are_processors_for_them() {
    let first = first_processor();
    for (command, processors) in [
        (&[][..], std::thread::available_parallelism().unwrap().get()),
        (&["taskset", "--cpu-list", &first][..], 1),
    ] {
        let process = Process::spawn_by(command, &[]);
        let (_, admin) = process.serving().await;
        let log = process.stderr.json();
        let line = log
            .iter()
            .find(|line| line["message"] == "worker threads")
            .expect("the log says it");
        assert_eq!(line["threads"], processors);
        let metrics = http_get(admin, path::METRICS).await;
        let workers = format!("\ntokio_workers {processors}\n");
        assert!(metrics.contains(&workers), "{metrics}");
    }
}
