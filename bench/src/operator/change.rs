//! What one change costs the operator in passes and requests, beside the fewest writes that bring it about.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use operator_api::UserService;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::cluster::{AT_ONCE, Cluster, is_ready, name, played, resource};
use super::converge::children;
use super::process::{Counts, Operator};
use super::rate;

const RESOURCES: usize = 20;
const PODS: u32 = 2;
/// How often the operator is asked what it did.
const LOOK: Duration = Duration::from_millis(200);
/// An operator that did nothing for so long, and has nothing to do, is at rest: what it looks at again by itself, it
/// looks at after a second.
const REST: Duration = Duration::from_secs(3);
/// How long nothing is changed at all.
const UNTOUCHED: Duration = Duration::from_secs(10);
/// How long one change of all resources may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Writes of the status that a change needs where pods change: that it is under way, and that it is done.
const UNDER_WAY_AND_DONE: usize = 2;
/// Where none does.
const DONE: usize = 1;

struct Measure<'a> {
    cluster: &'a Cluster,
    operator: &'a Operator,
    namespace: &'a str,
    /// Of each resource, as it is now.
    spec: Value,
}

pub(super) async fn run(cluster: &Cluster) -> Result<()> {
    println!(
        "\nWhat a change costs the operator, with {RESOURCES} resources of {PODS} pods at rest, on {}, for each of them",
        cluster.version().await?
    );
    println!(
        "  {:36} {:>7} {:>7} {:>9} {:>7} {:>7}   {:>6} {:>6}",
        "", "passes", "reads", "children", "status", "events", "fewest", "ratio"
    );
    let _kwok = cluster.node().await?;
    let namespace = cluster.namespace("change").await?;
    let operator = Operator::start(&namespace).await?;
    // It does not listen before the API server has answered it once.
    timeout(PATIENCE, async {
        while operator.counts().await.is_err() {
            sleep(LOOK).await;
        }
    })
    .await?;
    let mut measure = Measure {
        cluster,
        operator: &operator,
        namespace: &namespace,
        spec: json!({"replicas": PODS, "pod": played()}),
    };
    measure.all().await?;
    let failed = operator.counts().await?.failed;
    if failed > 0.0 {
        println!(
            "  {failed} passes failed and were made again, as on a machine that is too busy: measure anew"
        );
    }
    operator.stop().await?;
    cluster.forget(&namespace).await
}

impl Measure<'_> {
    async fn all(&mut self) -> Result<()> {
        let all = self.children()?.len() + UNDER_WAY_AND_DONE;
        let start = self.operator.counts().await?;
        self.cluster
            .create(self.namespace, 0..RESOURCES, &self.spec)
            .await?;
        self.tell("a new resource", start, all).await?;

        let start = self.operator.counts().await?;
        sleep(UNTOUCHED).await;
        let nothing = format!("nothing, for {} s", UNTOUCHED.as_secs());
        show(&nothing, start, self.operator.counts().await?, 0);

        let limit = json!({"maxConcurrentCalls": 100});
        self.set(
            "a limit of the service (spec.server)",
            "server",
            limit,
            UNDER_WAY_AND_DONE,
        )
        .await?;
        self.scale(PODS + 1).await?;
        let budget = json!({"maxUnavailable": 2});
        self.set("no pod's (spec.disruption)", "disruption", budget, DONE)
            .await?;
        self.meddle().await
    }

    /// Sets a field of every spec.
    async fn set(&mut self, what: &str, field: &str, value: Value, statuses: usize) -> Result<()> {
        let patch = json!({"spec": {field: value}});
        let fewest = self.differing(field, value)? + statuses;
        let start = self.operator.counts().await?;
        let resources = self.resources();
        self.each(async |name| {
            resources
                .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await?;
            Ok(())
        })
        .await?;
        self.tell(what, start, fewest).await
    }

    /// As `kubectl scale` does it.
    async fn scale(&mut self, pods: u32) -> Result<()> {
        let patch = json!({"spec": {"replicas": pods}});
        let fewest = self.differing("replicas", json!(pods))? + UNDER_WAY_AND_DONE;
        let start = self.operator.counts().await?;
        let resources = self.resources();
        self.each(async |name| {
            resources
                .patch_scale(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await?;
            Ok(())
        })
        .await?;
        self.tell("kubectl scale, one pod more", start, fewest)
            .await
    }

    /// Changes a child of every resource, which the operator changes back.
    async fn meddle(&self) -> Result<()> {
        let budgets: Api<PodDisruptionBudget> =
            Api::namespaced(self.cluster.client.clone(), self.namespace);
        let patch = json!({"spec": {"maxUnavailable": 0}});
        let start = self.operator.counts().await?;
        self.each(async |name| {
            budgets
                .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await?;
            Ok(())
        })
        .await?;
        self.tell("somebody else's, of a child", start, 1).await
    }

    async fn each(&self, change: impl AsyncFn(String) -> Result<()>) -> Result<()> {
        stream::iter(0..RESOURCES)
            .map(|number| change(name(number)))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    fn resources(&self) -> Api<UserService> {
        Api::namespaced(self.cluster.client.clone(), self.namespace)
    }

    /// What a resource with the spec as it is becomes.
    fn children(&self) -> Result<Vec<operator_core::Child>> {
        children(&resource(0, self.namespace, &self.spec)?)
    }

    /// Sets a field of what is known of the specs, and tells how many children differ by it.
    fn differing(&mut self, field: &str, value: Value) -> Result<usize> {
        let before = self.children()?;
        let fields = self.spec.as_object_mut().context("fields")?;
        fields.insert(field.to_owned(), value);
        let after = self.children()?;
        Ok(after.iter().filter(|child| !before.contains(child)).count())
    }

    /// Waits until the change is everywhere and the operator is at rest, and shows what that took.
    async fn tell(&self, what: &str, start: Counts, fewest: usize) -> Result<()> {
        let end = timeout(PATIENCE, self.at_rest(start))
            .await
            .with_context(|| format!("{what}: no rest within {PATIENCE:?}"))??;
        show(what, start, end, fewest);
        Ok(())
    }

    async fn at_rest(&self, start: Counts) -> Result<Counts> {
        let (mut last, mut since) = (start, Instant::now());
        loop {
            let now = self.operator.counts().await?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            let is_over = now.passes - start.passes >= rate(RESOURCES) && since.elapsed() >= REST;
            if is_over && self.is_everywhere().await? {
                return Ok(now);
            }
            sleep(LOOK).await;
        }
    }

    async fn is_everywhere(&self) -> Result<bool> {
        let all = self.resources().list(&ListParams::default()).await?;
        let is_done = |resource: &UserService| {
            let observed = resource
                .status
                .as_ref()
                .and_then(|status| status.observed_generation);
            observed == resource.metadata.generation && is_ready(resource)
        };
        Ok(all.items.len() == RESOURCES && all.iter().all(is_done))
    }
}

/// For each resource, between two looks. The fewest are writes of children and of the status: Events are beside them.
fn show(what: &str, start: Counts, end: Counts, fewest: usize) {
    let each = |count: fn(&Counts) -> f64| (count(&end) - count(&start)) / rate(RESOURCES);
    let (children, statuses) = (
        each(|counts| counts.children),
        each(|counts| counts.statuses),
    );
    let ratio = match fewest {
        0 => String::new(),
        fewest => format!("{:.1}", (children + statuses) / rate(fewest)),
    };
    println!(
        "  {what:36} {:7.1} {:7.1} {children:9.1} {statuses:7.1} {:7.1}   {fewest:6} {ratio:>6}",
        each(|counts| counts.passes),
        each(|counts| counts.reads),
        each(|counts| counts.events),
    );
}
