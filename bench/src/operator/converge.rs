//! A thousand resources from nothing to pods that run, beside a loop that only writes the same children.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use operator_api::UserService;
use operator_core::{Child, Release, World, plan};
use serde_json::{Value, json};

use super::cluster::{AT_ONCE, Cluster, is_ready, played, resource};
use super::process::Operator;
use super::{SETTLED, rate};

const RESOURCES: usize = 1_000;
/// How often the cluster is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long all of it may take: the cluster's own controllers have bounds of their own.
const PATIENCE: Duration = Duration::from_secs(1800);

/// When the last child was there, and when the last pod took calls.
struct Took {
    written: Duration,
    available: Duration,
}

pub(super) async fn run(cluster: &Cluster) -> Result<()> {
    println!(
        "\n{RESOURCES} resources of one pod each, by {AT_ONCE} at a time, to pods that kwok says are ready"
    );
    let _kwok = cluster.node().await?;
    let spec = json!({"replicas": 1, "pod": played()});
    let bare = bare(cluster, &spec).await?;
    let ours = ours(cluster, &spec).await?;
    let line = |what: &str, bare: Duration, ours: Duration| {
        println!(
            "  {what:22} loop {:6.1} s   operator {:6.1} s   ratio {:.2}, goal 0.9",
            bare.as_secs_f64(),
            ours.as_secs_f64(),
            bare.as_secs_f64() / ours.as_secs_f64()
        );
    };
    line("every child is there", bare.written, ours.written);
    line("every pod takes calls", bare.available, ours.available);
    Ok(())
}

/// The same children, applied one after the other for each resource, with nothing read, reported or watched.
async fn bare(cluster: &Cluster, spec: &Value) -> Result<Took> {
    let namespace = cluster.namespace("loop").await?;
    let start = Instant::now();
    let params = PatchParams::apply("bench").force();
    stream::iter(0..RESOURCES)
        .map(|number| {
            let (namespace, params) = (namespace.as_str(), &params);
            async move {
                for child in children(&resource(number, namespace, spec)?)? {
                    let api = api(cluster, namespace, &child)?;
                    api.patch(&child.name, params, &Patch::Apply(&child.object))
                        .await?;
                }
                anyhow::Ok(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    let written = start.elapsed();
    available(cluster, &namespace).await?;
    let available = start.elapsed();
    cluster.forget(&namespace).await?;
    cluster.gone(&namespace).await?;
    Ok(Took { written, available })
}

async fn ours(cluster: &Cluster, spec: &Value) -> Result<Took> {
    let namespace = cluster.namespace("operator").await?;
    let operator = Operator::start(&namespace).await?;
    let start = Instant::now();
    cluster.create(&namespace, 0..RESOURCES, spec).await?;
    let written = until(start, async || {
        Ok(deployments(cluster, &namespace).await?.len() == RESOURCES)
    })
    .await?;
    available(cluster, &namespace).await?;
    let resources: Api<UserService> = Api::namespaced(cluster.client.clone(), &namespace);
    let available = until(start, async || {
        let all = resources.list(&ListParams::default()).await?;
        Ok(all.items.len() == RESOURCES && all.iter().all(is_ready))
    })
    .await?;
    tokio::time::sleep(SETTLED).await;
    println!(
        "  the operator then has     {:6.1} MiB of resident memory",
        operator.mebibytes()?
    );
    let writes = operator.writes().await?;
    println!(
        "  the operator wrote {:.1} times for each",
        writes / rate(RESOURCES)
    );
    operator.stop().await?;
    cluster.forget(&namespace).await?;
    Ok(Took { written, available })
}

/// What the operator makes of a new resource.
pub(super) fn children(resource: &UserService) -> Result<Vec<Child>> {
    let release = Release {
        repository: "ghcr.io/usersvc/user-service".to_owned(),
        version: "0.1.0".to_owned(),
        ..Release::default()
    };
    let mut resource = resource.clone();
    // No owner: nobody is to delete them.
    resource.metadata.uid = Some(String::new());
    let plan = plan(
        &World::default(),
        &resource,
        &release,
        &Time(Timestamp::UNIX_EPOCH),
    )?;
    let mut children = plan.writes;
    for child in &mut children {
        let metadata = child.object.get_mut("metadata");
        let metadata = metadata.and_then(Value::as_object_mut);
        metadata.context("metadata")?.remove("ownerReferences");
    }
    let kinds: BTreeSet<&str> = children.iter().map(|child| child.kind.name()).collect();
    ensure!(kinds.contains("Deployment"), "{kinds:?}");
    Ok(children)
}

fn api(cluster: &Cluster, namespace: &str, child: &Child) -> Result<Api<DynamicObject>> {
    let object: DynamicObject = serde_json::from_value(child.object.clone())?;
    let types = object.types.context("a type")?;
    let (group, version) = types
        .api_version
        .rsplit_once('/')
        .unwrap_or(("", &types.api_version));
    let kind = kube::core::GroupVersionKind::gvk(group, version, &types.kind);
    let resource = ApiResource::from_gvk(&kind);
    Ok(Api::namespaced_with(
        cluster.client.clone(),
        namespace,
        &resource,
    ))
}

async fn deployments(cluster: &Cluster, namespace: &str) -> Result<Vec<Deployment>> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), namespace);
    Ok(deployments.list(&ListParams::default()).await?.items)
}

async fn available(cluster: &Cluster, namespace: &str) -> Result<()> {
    let is_available = |deployment: &Deployment| {
        let status = deployment.status.as_ref();
        status.and_then(|status| status.available_replicas) == Some(1)
    };
    until(Instant::now(), async || {
        let all = deployments(cluster, namespace).await?;
        Ok(all.len() == RESOURCES && all.iter().all(is_available))
    })
    .await
    .map(drop)
}

/// Time from `start` until `reached`.
async fn until(start: Instant, mut reached: impl AsyncFnMut() -> Result<bool>) -> Result<Duration> {
    tokio::time::timeout(PATIENCE, async {
        while !reached().await? {
            tokio::time::sleep(LOOK).await;
        }
        anyhow::Ok(())
    })
    .await??;
    Ok(start.elapsed())
}
