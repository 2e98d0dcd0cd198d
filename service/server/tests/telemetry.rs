//! What the running service tells about its calls: spans, log lines, examples beside the metrics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/collector.rs"]
mod collector;
#[path = "support/process.rs"]
mod process;
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use collector::{Collector, text};
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use process::Process;
use support::{HeldCall, connect, http_get, http_put, new_user, soon, until};
use tonic::{Code, Request};
use user_proto::user::v1::GetUserRequest;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_settings::{exit_code, path};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;
const NAME: &str = "Wilhelmina Quux";
const EMAIL: &str = "wilhelmina.quux@example.com";

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn in_trace<T>(message: T, flags: &str) -> Request<T> {
    let mut request = Request::new(message);
    let parent = format!("00-{TRACE}-{CALLER}-{flags}");
    request
        .metadata_mut()
        .insert("traceparent", parent.parse().unwrap());
    request
}

#[tokio::test]
async fn a_recorded_call_is_a_span_and_names_its_trace_in_the_event_the_log_and_the_metrics() {
    let (collector, address) = Collector::start().await;
    let mut process = Process::spawn(&[
        ("USERSVC_OTLP_ENDPOINT", &format!("http://{address}")),
        ("USERSVC_OTLP_METRICS", "enabled"),
        ("USERSVC_TRACE_SAMPLING", "0%"),
        ("USERSVC_SERVICE_NAME", "users"),
        ("USERSVC_SERVICE_NAMESPACE", "team-a"),
        ("USERSVC_LOG_LEVEL", "debug"),
        ("USERSVC_DRAIN_DELAY", "0s"),
    ]);
    let (grpc, admin) = process.serving().await;
    let mut client = UserServiceClient::new(connect(grpc).await);

    let unrecorded = new_user("Ada", "ada@example.com");
    client.create_user(unrecorded.clone()).await.unwrap();
    client
        .create_user(in_trace(unrecorded, "00"))
        .await
        .expect_err("duplicate");
    client
        .create_user(in_trace(new_user(NAME, EMAIL), "01"))
        .await
        .unwrap();
    let missing = GetUserRequest {
        user_id: "0198d2a4-0000-7000-8000-000000000000".to_owned(),
    };
    let missing = client.get_user(in_trace(missing, "01")).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
    let metrics = http_get(admin, path::METRICS).await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));

    let spans = collector.spans();
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(
        names,
        [
            "user.v1.UserService/CreateUser",
            "user.v1.UserService/GetUser"
        ],
        "the end sends what is left, and what the caller does not record is not"
    );
    for (span, status) in spans.iter().zip(["OK", "NOT_FOUND"]) {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert_eq!(hex(&span.parent_span_id), CALLER);
        assert_eq!(span.kind(), SpanKind::Server);
        let attribute = |key| text(&span.attributes, key).unwrap();
        assert_eq!(attribute("rpc.system.name"), "grpc");
        assert_eq!(attribute("rpc.method"), span.name);
        assert_eq!(attribute("rpc.response.status_code"), status);
    }
    assert_eq!(collector.resource("service.name").unwrap(), "users");
    assert_eq!(collector.resource("service.namespace").unwrap(), "team-a");

    let own = hex(&spans[0].span_id);
    let parents: Vec<_> = process
        .stdout
        .json()
        .iter()
        .map(|event| event["traceparent"].as_str().map(ToOwned::to_owned))
        .collect();
    assert_eq!(parents, [None, Some(format!("00-{TRACE}-{own}-01"))]);
    let log = process.stderr.json();
    let line = log
        .iter()
        .find(|line| line["message"] == "call ended" && line["span_id"] == *own)
        .expect("the line of the call names its span");
    assert_eq!(line["trace_id"], TRACE);
    let exemplar = format!("trace_id=\"{TRACE}\",span_id=\"{own}\"");
    assert!(metrics.contains(&exemplar), "{metrics}");

    assert_are_sent_with_example(&collector, &own);
}

/// The two users that were created are in the histogram, one of them by its span.
fn assert_are_sent_with_example(collector: &Collector, own: &str) {
    let calls = collector.last("rpc.server.call.duration").unwrap();
    let (calls, unit) = match calls.data.unwrap() {
        Data::Histogram(histogram) => (histogram, calls.unit),
        other => panic!("{other:?}"),
    };
    assert_eq!(unit, "s");
    assert_eq!(calls.aggregation_temporality, CUMULATIVE);
    let created = calls
        .data_points
        .iter()
        .find(|point| {
            let attribute = |key| text(&point.attributes, key).unwrap();
            assert_eq!(attribute("rpc.system.name"), "grpc");
            attribute("rpc.method") == "user.v1.UserService/CreateUser"
                && attribute("rpc.response.status_code") == "OK"
        })
        .expect("the end sends what was counted last");
    assert_eq!(created.count, 2);
    assert_eq!(created.bucket_counts.iter().sum::<u64>(), 2);
    assert_eq!(
        created.bucket_counts.len(),
        created.explicit_bounds.len() + 1
    );
    let example = created.exemplars.last().unwrap();
    assert_eq!(
        (hex(&example.trace_id), hex(&example.span_id)),
        (TRACE.to_owned(), own.to_owned())
    );
}

#[tokio::test]
async fn sent_metrics_name_the_error_of_calls_that_failed_by_the_server_and_of_no_others() {
    let (collector, address) = Collector::start().await;
    let mut process = Process::spawn(&[
        ("USERSVC_OTLP_ENDPOINT", &format!("http://{address}")),
        ("USERSVC_OTLP_METRICS", "enabled"),
        ("USERSVC_REQUEST_TIMEOUT", "1s"),
        ("USERSVC_DRAIN_DELAY", "0s"),
    ]);
    let (grpc, admin) = process.serving().await;
    let channel = connect(grpc).await;
    let late = HeldCall::begin(&channel).await.wait().await;
    assert_eq!(late.unwrap_err().code(), Code::DeadlineExceeded);
    let mut client = UserServiceClient::new(channel);
    client.create_user(new_user(NAME, EMAIL)).await.unwrap();
    let missing = GetUserRequest {
        user_id: "0198d2a4-0000-7000-8000-000000000000".to_owned(),
    };
    let missing = client.get_user(missing).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
    let scraped = http_get(admin, path::METRICS).await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));

    let calls = collector.last("rpc.server.call.duration").unwrap();
    let Some(Data::Histogram(calls)) = calls.data else {
        panic!("{calls:?}");
    };
    let told = calls.data_points.iter().map(|point| {
        let attribute = |key| text(&point.attributes, key);
        let status = attribute("rpc.response.status_code").unwrap();
        (status, attribute("error.type"))
    });
    let exceeded = "DEADLINE_EXCEEDED".to_owned();
    assert_eq!(
        told.collect::<BTreeSet<_>>(),
        BTreeSet::from([
            (exceeded.clone(), Some(exceeded)),
            ("NOT_FOUND".to_owned(), None),
            ("OK".to_owned(), None),
        ])
    );
    assert!(!scraped.contains("error_type"), "{scraped}");
}

#[tokio::test]
async fn calls_that_nobody_began_a_trace_for_are_sampled() {
    let (collector, address) = Collector::start().await;
    let process = Process::spawn(&[
        ("USERSVC_OTLP_ENDPOINT", &format!("http://{address}")),
        ("USERSVC_TRACE_SAMPLING", "100%"),
    ]);
    let (grpc, _) = process.serving().await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    client.create_user(new_user(NAME, EMAIL)).await.unwrap();
    until("the span arrives while serving", || async {
        collector.spans().len() == 1
    })
    .await;
    assert!(collector.spans()[0].parent_span_id.is_empty());
}

#[tokio::test]
async fn metrics_are_sent_while_serving_when_asked_for_with_every_family_that_is_scraped() {
    let (collector, address) = Collector::start().await;
    let endpoint = format!("http://{address}");
    let mut process = Process::spawn(&[
        ("USERSVC_OTLP_ENDPOINT", &endpoint),
        ("USERSVC_OTLP_METRICS", "enabled"),
        ("USERSVC_DRAIN_DELAY", "0s"),
    ]);
    let (_, admin) = process.serving().await;
    until("they are sent and counted", || async {
        let scraped = http_get(admin, path::METRICS).await;
        scraped.contains("otlp_metric_points_total{result=\"completed\"}")
    })
    .await;
    assert!(collector.last("outbox_pending").is_some());
    let scraped = http_get(admin, path::METRICS).await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));

    let families = scraped.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let of_family = |line: &str| {
            line.split(['{', ' '])
                .next()
                .unwrap()
                .trim_end_matches("_total")
                == name
        };
        let has_value = scraped.lines().any(of_family);
        // What the conventions know goes by their names.
        let name = match name.strip_suffix("_seconds").unwrap_or(name) {
            "rpc_server_call_duration" => "rpc.server.call.duration".to_owned(),
            name => name.replace("db_client_connection_", "db.client.connection."),
        };
        has_value.then_some(name)
    });
    let missing: Vec<_> = families
        .filter(|family| collector.last(family).is_none())
        .collect();
    assert_eq!(missing, [""; 0]);
    let workers = collector.last("tokio_workers").unwrap();
    assert!(matches!(workers.data, Some(Data::Gauge(_))));
    let Some(Data::Sum(published)) = collector.last("outbox_published").unwrap().data else {
        panic!("a counter is a sum");
    };
    assert!(published.is_monotonic);
    assert_eq!(published.aggregation_temporality, CUMULATIVE);
    let mut unasked = Process::spawn(&[
        ("USERSVC_OTLP_ENDPOINT", &endpoint),
        ("USERSVC_DRAIN_DELAY", "0s"),
    ]);
    unasked.serving().await;
    unasked.signal("TERM").await;
    assert_eq!(unasked.exit_code().await, i32::from(exit_code::OK));
    assert_eq!(collector.senders(), 1, "who is not asked sends none");
}

#[tokio::test]
async fn the_level_of_the_log_changes_while_running() {
    let process = Process::spawn(&[]);
    let (grpc, admin) = process.serving().await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    client.create_user(new_user(NAME, EMAIL)).await.unwrap();
    assert!(
        http_get(admin, path::LOG_LEVEL)
            .await
            .ends_with("\r\n\r\ninfo\n")
    );

    let refused = http_put(admin, path::LOG_LEVEL, "loud").await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    assert!(
        refused.contains("error | warn | info | debug | trace"),
        "{refused}"
    );
    let changed = http_put(admin, path::LOG_LEVEL, "debug").await;
    assert!(changed.starts_with("HTTP/1.1 200"), "{changed}");
    assert!(
        http_get(admin, path::LOG_LEVEL)
            .await
            .ends_with("\r\n\r\ndebug\n")
    );

    client
        .create_user(new_user(NAME, "other@example.com"))
        .await
        .unwrap();
    soon(
        "the line",
        until("the second call is logged", || async {
            let lines = process.stderr.json();
            lines
                .iter()
                .filter(|line| line["message"] == "call ended")
                .count()
                == 1
        }),
    )
    .await;
}
