//! The frame of a scenario: a namespace of its own, and evidence when it fails.

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    panic::AssertUnwindSafe,
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result};
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use operator_api::UserService;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval_at};
use user_settings::{ADMIN_PORT, path};

use crate::{
    bundle,
    cluster::Cluster,
    wait::{Seen, until},
};

/// Names how often a leader is crashed, in seconds; unset, none is.
pub(crate) const CRASH_LEADER_EVERY_S: &str = "CRASH_LEADER_EVERY_S";

/// Bound for a resource to become ready: image loading and start-up on a busy two-core machine.
const READY: Duration = Duration::from_secs(120);

/// Selects the pods of the service of this resource; those of its preparation are others.
fn service_pods(resource: &str) -> ListParams {
    ListParams::default().labels(&format!(
        "app.kubernetes.io/name=user-service,app.kubernetes.io/instance={resource}"
    ))
}

/// A scenario's own part of the cluster.
pub struct Scenario {
    /// The cluster.
    pub cluster: Cluster,
    /// The scenario's namespace, under Pod Security `restricted`.
    pub namespace: String,
}

/// Bound for a resource to be gone, its topics with it.
const GONE: Duration = Duration::from_secs(60);

/// Runs `body` in a namespace of its own. When it fails, a bundle of evidence is left under
/// `folder` and its place is printed; the namespace goes either way.
///
/// # Panics
/// When the scenario fails, as a test has to.
#[allow(clippy::panic, reason = "a failed test panics")]
pub async fn scenario(name: &str, folder: &str, body: impl AsyncFnOnce(&Scenario) -> Result<()>) {
    let start = Instant::now();
    let scenario = match Scenario::begin(name).await {
        Ok(scenario) => scenario,
        Err(error) => panic!("{name}: cannot begin: {error:#}"),
    };
    let outcome = tokio::select! {
        outcome = AssertUnwindSafe(Box::pin(body(&scenario))).catch_unwind() => outcome,
        error = crashes(&scenario.cluster) => Ok(Err(error)),
    };
    let failure = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(panic) => Some(
            panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "panicked".to_owned()),
        ),
    };
    let folder = Path::new(folder).join("bundles").join(&scenario.namespace);
    let evidence = match &failure {
        Some(_) => bundle::collect(&scenario.client(), &scenario.namespace, &folder).await,
        None => Ok(()),
    };
    let ended = scenario.end().await;
    if let Some(failure) = failure {
        let evidence = match evidence {
            Ok(()) => format!("resources, events and logs: {}", folder.display()),
            Err(error) => format!("no bundle could be collected: {error:#}"),
        };
        panic!("{name}: {failure}\n{evidence}");
    }
    if let Err(error) = ended {
        panic!("{name}: cannot clean up: {error:#}");
    }
    println!("{name}: {:.1} s", start.elapsed().as_secs_f64());
}

/// Crashes the operator that leads every so many seconds since the first scenario began, if [`CRASH_LEADER_EVERY_S`] is
/// set; returns only if it is no such number.
async fn crashes(cluster: &Cluster) -> anyhow::Error {
    static BEGAN: LazyLock<tokio::time::Instant> = LazyLock::new(tokio::time::Instant::now);
    let Ok(every) = std::env::var(CRASH_LEADER_EVERY_S) else {
        return std::future::pending().await;
    };
    let every = match every.parse::<NonZeroU32>() {
        Ok(seconds) => Duration::from_secs(seconds.get().into()),
        Err(error) => return anyhow::Error::new(error).context(CRASH_LEADER_EVERY_S),
    };
    let mut due = interval_at(*BEGAN, every);
    // Also those that came while a scenario before this one ran, or the beginning itself.
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    due.tick().await;
    loop {
        due.tick().await;
        // Nobody leads while a scenario keeps the operator away, or for the seconds after a crash.
        match cluster.crash_leader().await {
            Ok(()) => println!("the leader was crashed"),
            Err(error) => println!("no leader was crashed: {error:#}"),
        }
    }
}

impl Scenario {
    async fn begin(name: &str) -> Result<Self> {
        let cluster = Cluster::connect().await?;
        let moment = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_millis()
            % 100_000_000;
        let namespace = format!("e2e-{name}-{moment}");
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let object = serde_json::from_value(json!({
            "metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }))?;
        namespaces
            .create(&PostParams::default(), &object)
            .await
            .context("create the namespace")?;
        Ok(Self { cluster, namespace })
    }

    /// The resource goes first: to delete its topics, the operator needs what is in the namespace.
    async fn end(&self) -> Result<()> {
        let resources = self.resources();
        for resource in resources.list(&ListParams::default()).await? {
            resources
                .delete(&resource.name_any(), &DeleteParams::background())
                .await?;
        }
        let pods: Api<Pod> = Api::namespaced(self.client(), &self.namespace);
        until("the resources are gone", GONE, || async {
            // Nobody calls any more. One that is not being deleted yet would only be made anew.
            for pod in pods.list(&ListParams::default()).await? {
                if pod.metadata.deletion_timestamp.is_some() {
                    let killed = DeleteParams::background().grace_period(0);
                    match pods.delete(&pod.name_any(), &killed).await {
                        Err(kube::Error::Api(status)) if status.is_not_found() => {}
                        killed => drop(killed?),
                    }
                }
            }
            let left = resources.list(&ListParams::default()).await?.items.len();
            Ok(Seen::when(left == 0, (), left))
        })
        .await?;
        let namespaces: Api<Namespace> = Api::all(self.client());
        namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await?;
        Ok(())
    }

    /// A client with the rights of a cluster administrator.
    pub fn client(&self) -> Client {
        self.cluster.client.clone()
    }

    /// The namespace's resources.
    pub fn resources(&self) -> Api<UserService> {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// Applies a `UserService` named `users` as `kubectl apply --server-side` would.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn apply(&self, spec: Value) -> Result<UserService> {
        self.apply_as("users", spec).await
    }

    /// The same for a `UserService` of this name.
    ///
    /// # Errors
    /// As [`Scenario::apply`].
    pub async fn apply_as(&self, name: &str, spec: Value) -> Result<UserService> {
        let manifest = json!({
            "apiVersion": "usersvc.dev/v1alpha1",
            "kind": "UserService",
            "metadata": {"name": name},
            "spec": spec,
        });
        let params = PatchParams::apply("scenario").force().validation_strict();
        Ok(self
            .resources()
            .patch(name, &params, &Patch::Apply(manifest))
            .await?)
    }

    /// Waits until `users` is ready in the generation that is in force now.
    ///
    /// # Errors
    /// If it is not within the bound; the error shows its status.
    pub async fn ready(&self) -> Result<UserService> {
        self.ready_as("users").await
    }

    /// The same for the `UserService` of this name.
    ///
    /// # Errors
    /// As [`Scenario::ready`].
    pub async fn ready_as(&self, name: &str) -> Result<UserService> {
        until(&format!("{name} is Ready"), READY, || async {
            let resource = self.resources().get(name).await?;
            let generation = resource.metadata.generation;
            let ready = resource.status.as_ref().is_some_and(|status| {
                status.observed_generation == generation
                    && status.conditions.iter().any(|condition| {
                        condition.type_ == "Ready"
                            && condition.status == "True"
                            && condition.observed_generation == generation
                    })
            });
            Ok(Seen::when(ready, resource.clone(), &resource.status))
        })
        .await
    }

    /// Applies `spec` and waits until it is ready.
    ///
    /// # Errors
    /// As [`Scenario::apply`] and [`Scenario::ready`].
    pub async fn ready_with(&self, spec: Value) -> Result<UserService> {
        self.apply(spec).await?;
        self.ready().await
    }

    /// Writes a Secret with this content, over one that is there.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn write_secret(&self, name: &str, content: &Value) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client(), &self.namespace);
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": content,
        });
        let params = PatchParams::apply("scenario").force();
        secrets
            .patch(name, &params, &Patch::Apply(manifest))
            .await?;
        Ok(())
    }

    /// The service's pods that are not being deleted, sorted by name.
    ///
    /// # Errors
    /// If pods cannot be listed.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        self.pods_of("users").await
    }

    /// What a pod of the service tells of itself.
    ///
    /// # Errors
    /// As [`Cluster::pod_get`].
    pub async fn metrics(&self, pod: &Pod) -> Result<String> {
        let name = pod.name_any();
        self.cluster
            .pod_get(&self.namespace, &name, ADMIN_PORT, path::METRICS)
            .await
    }

    /// As [`Scenario::pods`], of the service of another resource.
    ///
    /// # Errors
    /// As there.
    pub async fn pods_of(&self, resource: &str) -> Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(self.client(), &self.namespace);
        let mut items = pods.list(&service_pods(resource)).await?.items;
        items.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        items.sort_by_key(ResourceExt::name_any);
        Ok(items)
    }

    /// Waits until there are so many [`Scenario::pods`].
    ///
    /// # Errors
    /// If there are not within a minute.
    pub async fn pods_become(&self, pods: usize) -> Result<()> {
        let what = format!("there are {pods} pods");
        until(&what, Duration::from_secs(60), || async {
            let count = self.pods().await?.len();
            Ok(Seen::when(count == pods, (), count))
        })
        .await
    }

    /// Waits until none of the service's pods has one of these UIDs, not even one that is ending: connections that were
    /// made to it before may be answered until then.
    ///
    /// # Errors
    /// If one is still there after a minute and a half.
    pub async fn pods_gone(&self, uids: &BTreeSet<String>) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client(), &self.namespace);
        let params = service_pods("users");
        until("the old pods are gone", Duration::from_secs(90), || async {
            let all = pods.list(&params).await?.items;
            let all: BTreeSet<String> = all.iter().filter_map(ResourceExt::uid).collect();
            let old: Vec<String> = uids.intersection(&all).cloned().collect();
            Ok(Seen::when(old.is_empty(), (), old))
        })
        .await
    }

    /// UIDs of [`Scenario::pods`], which tell a pod from its successor.
    ///
    /// # Errors
    /// As there.
    pub async fn pod_uids(&self) -> Result<BTreeSet<String>> {
        let pods = self.pods().await?;
        Ok(pods.iter().filter_map(ResourceExt::uid).collect())
    }
}
