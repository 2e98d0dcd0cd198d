//! Traces, as Jaeger shows them.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use anyhow::{Result, ensure};
use kube::ResourceExt as _;
use scenarios::{
    Scenario, backing, once,
    wait::{Seen, until},
};
use serde_json::{Value, json};
use user_settings::{ADMIN_PORT, path};

use crate::{poison::user_of, scenario};

const COLLECTOR: &str = "http://jaeger.backing:4317";
const QUERY_PORT: u16 = 16686;
/// What the id of a trace begins with; the moment of the run follows.
const TRACE: &str = "5bf92f3577b34da6";
const NAME: &str = "Wilhelmina Quux";
const EMAIL: &str = "wilhelmina.quux@example.com";

/// The trace as Jaeger has it, by a search: asked for by its path, one that has not come yet is an error.
async fn trace(s: &Scenario, id: &str) -> Result<Value> {
    let path = format!("/api/traces?traceID={id}");
    let text = s
        .cluster
        .pod_get("backing", "jaeger-0", QUERY_PORT, &path)
        .await?;
    Ok(serde_json::from_str(&text)?)
}

fn names(trace: &Value) -> BTreeSet<&str> {
    let spans = trace.pointer("/data/0/spans").and_then(Value::as_array);
    let spans = spans.into_iter().flatten();
    spans
        .filter_map(|span| span.get("operationName")?.as_str())
        .collect()
}

#[tokio::test]
async fn a_call_its_work_in_the_database_and_its_event_are_one_trace_in_jaeger() {
    scenario("tracing", async |s| {
        backing::connect_to(s, backing::DATABASE).await?;
        let mut spec = backing::durable(s);
        spec["telemetry"] = json!({"otlpEndpoint": COLLECTOR, "sampling": "0%"});
        s.ready_with(spec).await?;
        let moment = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let id = format!("{TRACE}{:016x}", moment.as_nanos());
        let arguments = [
            "demo",
            // The network of the node may learn a moment later where the pods are.
            "--wait",
            "--target=users:8080",
            &format!("--name={NAME}"),
            &format!("--email={EMAIL}"),
            &format!("--traceparent=00-{id}-00f067aa0ba902b7-01"),
        ];
        let user = user_of(&once::client(s, "caller", &arguments).await?)?;
        let event = format!("send {}user.created", backing::prefix(s));
        let expected = [
            "user.v1.UserService/CreateUser",
            "insert users",
            event.as_str(),
        ];
        let seen = until("the trace is whole", Duration::from_secs(30), || async {
            let seen = trace(s, &id).await?;
            let names = names(&seen);
            let is_whole = expected.iter().all(|name| names.contains(name));
            Ok(Seen::when(is_whole, seen.clone(), names))
        })
        .await?;
        let service = seen.pointer("/data/0/processes/p1/serviceName");
        ensure!(service == Some(&json!("users")), "{seen}");
        let text = seen.to_string();
        for personal in [NAME, EMAIL, "Quux", user.as_str()] {
            ensure!(!text.contains(personal), "{personal} in {text}");
        }
        the_level_of_the_log_is_no_matter_of_other_pods(s).await
    })
    .await;
}

/// Asks each pod through the API server, which is not in it.
async fn the_level_of_the_log_is_no_matter_of_other_pods(s: &Scenario) -> Result<()> {
    for pod in s.pods().await? {
        let (namespace, name) = (&s.namespace, pod.name_any());
        let uri = format!(
            "/api/v1/namespaces/{namespace}/pods/{name}:{ADMIN_PORT}/proxy{}",
            path::LOG_LEVEL
        );
        let request = http::Request::put(&uri).body(b"debug".to_vec())?;
        let refused = s.cluster.client.request_text(request).await;
        let said = format!("{refused:?}");
        ensure!(
            refused.is_err() && said.contains("from inside the pod alone"),
            "{name}: {said}"
        );
        let level = s
            .cluster
            .pod_get(namespace, &name, ADMIN_PORT, path::LOG_LEVEL)
            .await?;
        ensure!(level == "info\n", "{name}: {level}");
    }
    Ok(())
}
