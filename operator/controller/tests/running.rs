//! The operator that runs: the real binary, and an API server of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

// The one that the service is held to as well: a crate for one file of tests would be more to carry.
#[path = "../../../service/server/tests/support/prometheus.rs"]
mod prometheus;
mod support;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use prometheus::Prometheus;
use serde_json::Value;
use support::{Operator, soon, until};

/// Far less than a lease lasts, and enough for a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// The last child that is written.
const LAST: &str = "/poddisruptionbudgets/users";

#[tokio::test]
async fn the_log_says_which_resource_a_write_was_for_what_it_was_and_how_long_it_took() {
    let operator = Operator::start().await;
    let deployment = || {
        let is_its = |line: &Value| {
            let spans = line["spans"].as_array().unwrap();
            spans
                .iter()
                .any(|span| span["verb"] == "apply" && span["kind"] == "Deployment")
        };
        operator.told("request ended").into_iter().find(is_its)
    };
    until("the Deployment is written", async || deployment().is_some()).await;
    let line = deployment().unwrap();
    let spans = line["spans"].as_array().unwrap();
    // kube's own span is around both.
    let [.., pass, request] = spans.as_slice() else {
        panic!("{line}");
    };
    assert_eq!(pass["name"], "reconcile", "{line}");
    assert_eq!(pass["namespace"], "team-a", "{line}");
    assert_eq!(pass["resource"], "users", "{line}");
    assert_eq!(request["object"], "users", "{line}");
    assert!(line["took_s"].is_f64() && line["ok"] == true, "{line}");

    until("a pass ends", async || {
        !operator.told("pass ended").is_empty()
    })
    .await;
    let line = operator.told("pass ended").remove(0);
    let pass = line["spans"].as_array().unwrap().last().unwrap();
    assert_eq!(pass["resource"], "users", "{line}");
    assert!(line["took_s"].is_f64() && line["ok"] == true, "{line}");
}

#[tokio::test]
async fn a_leader_that_is_stopped_gives_its_lease_back_before_it_ends() {
    let mut operator = Operator::start().await;
    until("it writes", async || operator.written(LAST).is_some()).await;
    let holder = |operator: &Operator| {
        let lease = operator.written("/leases/userservice-operator").unwrap();
        lease["spec"]["holderIdentity"].clone()
    };
    assert!(holder(&operator).is_string());
    let id = operator.process.id().unwrap().to_string();
    let start = Instant::now();
    Command::new("kill").args(["-TERM", &id]).status().unwrap();
    let ended = soon("it ends", operator.process.wait()).await.unwrap();
    let took = start.elapsed();
    assert!(ended.success() && took < SOON, "{ended} after {took:?}");
    assert!(holder(&operator).is_null(), "{}", holder(&operator));
}

#[tokio::test]
#[ignore = "asks a real Prometheus: make integration"]
async fn a_real_prometheus_takes_every_metric_with_kind_and_unit() {
    let operator = Operator::start().await;
    until("it writes", async || operator.written(LAST).is_some()).await;
    let prometheus = Prometheus::scraping(operator.admin).await;
    let of = |name: &str| format!("userservice_operator_{name}");
    let value = async |name: &str| prometheus.value(&of(name)).await.unwrap_or_default();
    until("a pass is scraped", async || {
        value("reconciles_total{outcome=%22Ok%22}")
            .await
            .parse()
            .is_ok_and(|passes: u32| passes > 0)
    })
    .await;
    until("a scrape has no fault", async || {
        let targets = prometheus.get("targets").await;
        let target = &targets["activeTargets"][0];
        target["health"] == "up" && target["lastError"] == ""
    })
    .await;
    for (name, expected) in [
        ("leader", "1"),
        ("writes_total{verb=%22apply%22,kind=%22Deployment%22}", "1"),
        ("resources{ready=%22Unknown%22}", "1"),
        ("conditions{condition=%22Stalled%22,status=%22True%22}", "0"),
    ] {
        assert_eq!(value(name).await, expected, "{name}");
    }

    let told = prometheus.get("metadata").await;
    let told = told.as_object().unwrap();
    let expected = [
        ("reconciles", "counter"),
        ("reconcile_duration_seconds", "histogram"),
        ("writes", "counter"),
        ("api_calls", "counter"),
        ("resources", "gauge"),
        ("conditions", "gauge"),
        ("queue_depth", "gauge"),
        ("queue_oldest_seconds", "gauge"),
        ("cache_age_seconds", "gauge"),
        ("leader", "gauge"),
    ];
    for (name, kind) in expected {
        let told = &told[&of(name)][0];
        assert_eq!(told["type"], kind, "{name}");
        assert!(
            told["help"].as_str().unwrap().ends_with('.'),
            "{name}: {told}"
        );
        let is_in_seconds = name.ends_with("_seconds");
        assert_eq!(told["unit"] == "seconds", is_in_seconds, "{name}: {told}");
    }
    assert_eq!(told.len(), expected.len(), "{:?}", told.keys());
}
