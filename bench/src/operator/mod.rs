//! What the operator costs with thousands of resources, on a real API server.
//!
//! It runs beside the cluster, for a namespace of its own. Pods are simulated by kwok on a node that is none: they cost
//! the cluster what pods cost, but no machine.

mod change;
mod cluster;
mod converge;
mod process;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use self::cluster::Cluster;
use self::process::Operator;

const EXAMPLE: &str = include_str!("../../../examples/userservice-full.yaml");
/// Resources that the time to start is measured with.
const SOME: usize = 1_000;
/// Resources that memory is measured with.
const MANY: usize = 10_000;
/// After which an operator that has nothing to do has given back what it needed to start.
const SETTLED: Duration = Duration::from_secs(5);
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) async fn footprint() -> Result<()> {
    on_cluster(measure).await
}

pub(crate) async fn converge() -> Result<()> {
    on_cluster(converge::run).await
}

pub(crate) async fn change() -> Result<()> {
    on_cluster(change::run).await
}

/// Measures, and leaves nothing behind.
async fn on_cluster(measure: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    let cluster = Cluster::connect().await?;
    let outcome = measure(&cluster).await;
    cluster.clean_up().await?;
    outcome
}

async fn measure(cluster: &Cluster) -> Result<()> {
    for (what, variable) in [("operator", "OPERATOR_IMAGE"), ("service", "SERVICE_IMAGE")] {
        let bytes = compressed(variable)?;
        println!(
            "image of the {what}: {:.1} MiB compressed, goal 25",
            bytes / MIB
        );
    }
    println!(
        "\nThe operator, with resources as examples/userservice-full.yaml, on {}",
        cluster.version().await?
    );
    let namespace = cluster.namespace("memory").await?;
    let operator = Operator::start(&namespace).await?;
    tokio::time::sleep(SETTLED).await;
    let idle = operator.mebibytes()?;
    println!("  idle                      {idle:6.1} MiB of resident memory, goal 15");

    // Paused: what is known of a resource is kept all the same, and 10,000 of them need no pods.
    let mut spec = cluster::spec(EXAMPLE)?;
    let fields = spec.as_object_mut().context("fields")?;
    fields.insert("pause".to_owned(), json!({}));
    cluster.create(&namespace, 0..SOME, &spec).await?;
    operator.passes(SOME).await?;
    operator.stop().await?;
    started(&namespace, SOME).await?.stop().await?;

    cluster.create(&namespace, SOME..MANY, &spec).await?;
    let operator = started(&namespace, MANY).await?;
    operator.passes(MANY).await?;
    tokio::time::sleep(SETTLED).await;
    let all = operator.mebibytes()?;
    let each = (all - idle) * MIB / 1000.0 / rate(MANY);
    println!("  {MANY} resources at rest  {all:6.1} MiB, {each:.1} kB for each, goal 25");
    operator.stop().await?;
    cluster.forget(&namespace).await
}

/// Starts the operator and tells how long it takes until it has looked at one resource, and at all.
async fn started(namespace: &str, resources: usize) -> Result<Operator> {
    let start = Instant::now();
    let operator = Operator::start(namespace).await?;
    operator.passes(1).await?;
    let first = start.elapsed();
    operator.passes(resources).await?;
    println!(
        "  started with {resources:6}      {:6.2} s to the first pass, goal 2 with {SOME}; {:.1} s to the last, {:.0} each second",
        first.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        rate(resources) / start.elapsed().as_secs_f64()
    );
    Ok(operator)
}

/// Size of an image as a registry keeps it, by gzip.
fn compressed(variable: &str) -> Result<f64> {
    let image = std::env::var(variable).context("the bed's images: make images")?;
    let pack = format!("set -o pipefail; docker image save '{image}' | gzip | wc -c");
    let packed = Command::new("bash").args(["-c", &pack]).output()?;
    ensure!(packed.status.success(), "docker image save {image}");
    Ok(String::from_utf8(packed.stdout)?.trim().parse()?)
}

#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn rate(count: usize) -> f64 {
    count as f64
}
