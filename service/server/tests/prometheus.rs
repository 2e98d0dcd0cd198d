//! What a real Prometheus makes of the metrics.

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
#[path = "support/prometheus.rs"]
mod prometheus;
mod support;

use collector::Collector;
use process::Process;
use prometheus::Prometheus;
use support::{connect, new_user, until};
use tonic::Request;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_settings::metric;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
#[ignore = "asks a real Prometheus: make integration"]
async fn a_real_prometheus_takes_every_metric_with_kind_unit_and_example() {
    let (_, collector) = Collector::start().await;
    let process = Process::spawn(&[("USERSVC_OTLP_ENDPOINT", &format!("http://{collector}"))]);
    let (grpc, admin) = process.serving().await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    let mut request = Request::new(new_user("Ada", "ada@example.com"));
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    client.create_user(request).await.unwrap();

    let prometheus = Prometheus::scraping(admin).await;
    let calls = metric::RPC_SERVER_CALL_DURATION;
    let count = format!(
        "{calls}_count{{{}=%22user.v1.UserService/CreateUser%22,{}=%22OK%22}}",
        metric::RPC_METHOD,
        metric::RPC_RESPONSE_STATUS_CODE
    );
    until("the call is scraped", || async {
        prometheus.value(&count).await.as_deref() == Some("1")
    })
    .await;
    until("the event is scraped", || async {
        prometheus.value(metric::OUTBOX_PUBLISHED).await.as_deref() == Some("1")
    })
    .await;
    until("a scrape has no fault", || async {
        let targets = prometheus.get("targets").await;
        let target = &targets["activeTargets"][0];
        target["health"] == "up" && target["lastError"] == ""
    })
    .await;
    let quantile = format!("histogram_quantile(0.5,{calls}_bucket)");
    let half: f64 = prometheus.value(&quantile).await.unwrap().parse().unwrap();
    assert!(half > 0.0 && half < 10.0, "{half}");

    // Examples and units are in OpenMetrics alone: it was negotiated.
    let range = format!("query_exemplars?query={calls}_bucket&start=0&end=9999999999");
    let examples = prometheus.get(&range).await;
    let labels = &examples[0]["exemplars"][0]["labels"];
    assert_eq!(labels["trace_id"], TRACE, "{examples}");

    let told = prometheus.get("metadata").await;
    let told = told.as_object().unwrap();
    assert!(told.len() > 20, "{told:?}");
    for (name, told) in told {
        let (kind, unit) = (told[0]["type"].as_str(), told[0]["unit"].as_str());
        assert!(
            matches!(kind, Some("counter" | "gauge" | "histogram")),
            "{name}: {told}"
        );
        assert!(
            told[0]["help"].as_str().unwrap().ends_with('.'),
            "{name}: {told}"
        );
        let is_in_seconds = name.ends_with("_seconds");
        assert_eq!(unit == Some("seconds"), is_in_seconds, "{name}: {told}");
    }
    // A counter without a sample that ends in `_total` fails the scrape.
    for (family, kind) in [
        (calls, "histogram"),
        (
            metric::OUTBOX_PUBLISHED.trim_end_matches("_total"),
            "counter",
        ),
        (metric::OUTBOX_PENDING, "gauge"),
        ("tokio_busy_seconds", "counter"),
    ] {
        assert_eq!(told[family][0]["type"], kind, "{family}");
    }
}
