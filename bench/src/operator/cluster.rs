//! The bed's cluster, from its administrator's side.

use std::fs::File;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use operator_api::UserService;
use serde_json::{Value, json};

use crate::process::{Running, beside};

/// Requests at the same time: as many as the operator has passes.
pub(super) const AT_ONCE: usize = 8;
/// What the node that is none is known by.
const FAKE: &str = "kwok.x-k8s.io/node";
const NODE: &str = "bench";
/// A kwok that has not made its node ready by then will not.
const PLAYED_WITHIN: Duration = Duration::from_secs(60);
/// The namespace controller takes one object after the other.
const GONE_WITHIN: Duration = Duration::from_secs(1800);
const PREFIX: &str = "userservice-bench";

pub(super) struct Cluster {
    pub(super) client: Client,
}

impl Cluster {
    pub(super) async fn connect() -> Result<Self> {
        let client = Client::try_default()
            .await
            .context("the bed's cluster, by KUBECONFIG")?;
        let deployments: Api<Deployment> = Api::all(client.clone());
        let operators = ListParams::default().labels("app.kubernetes.io/name=userservice-operator");
        ensure!(
            deployments.list(&operators).await?.items.is_empty(),
            "an operator is installed, which would do the work too: e2e/operator.sh down"
        );
        Ok(Self { client })
    }

    pub(super) async fn version(&self) -> Result<String> {
        let version = self.client.apiserver_version().await?;
        Ok(format!("Kubernetes {}", version.git_version))
    }

    /// A new namespace, by its full name.
    pub(super) async fn namespace(&self, name: &str) -> Result<String> {
        let name = format!("{PREFIX}-{name}");
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .with_context(|| {
                format!("namespace {name}, maybe left by a run that was broken off")
            })?;
        Ok(name)
    }

    /// Creates resources with these numbers for names.
    pub(super) async fn create(
        &self,
        namespace: &str,
        numbers: Range<usize>,
        spec: &Value,
    ) -> Result<()> {
        let resources: Api<UserService> = Api::namespaced(self.client.clone(), namespace);
        let params = PostParams::default();
        stream::iter(numbers)
            .map(|number| {
                let resource = resource(number, namespace, spec);
                let (resources, params) = (&resources, &params);
                async move { anyhow::Ok(resources.create(params, &resource?).await.map(drop)?) }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Lets the namespace go, without waiting for it.
    pub(super) async fn forget(&self, namespace: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .delete(namespace, &DeleteParams::background())
            .await?;
        Ok(())
    }

    /// Waits until a namespace that was let go is no more, and costs nothing any more.
    pub(super) async fn gone(&self, namespace: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let gone = await_condition(namespaces, namespace, |found: Option<&Namespace>| {
            found.is_none()
        });
        tokio::time::timeout(GONE_WITHIN, gone)
            .await
            .with_context(|| format!("namespace {namespace} does not go"))??;
        Ok(())
    }

    /// The node that is none, and kwok, which plays the kubelet there until the answer is dropped.
    pub(super) async fn node(&self) -> Result<Running> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": NODE,
                "annotations": {FAKE: "fake"},
                "labels": {FAKE: "fake", "kubernetes.io/os": "linux", "kubernetes.io/hostname": NODE},
            },
            "spec": {"taints": [{"key": FAKE, "value": "fake", "effect": "NoSchedule"}]},
            "status": {
                "capacity": {"cpu": "1000", "memory": "4Ti", "pods": "10000"},
                "allocatable": {"cpu": "1000", "memory": "4Ti", "pods": "10000"},
            },
        });
        let params = PatchParams::apply("bench").force();
        nodes.patch(NODE, &params, &Patch::Apply(&node)).await?;
        nodes
            .patch_status(NODE, &params, &Patch::Apply(&node))
            .await?;
        let program = beside("bench-kwok")?;
        let log = program.with_extension("log");
        let kwok = Running(
            Command::new(&program)
                .arg("--config")
                .arg(beside("bench-kwok.yaml")?)
                .arg(format!(
                    "--manage-nodes-with-annotation-selector={FAKE}=fake"
                ))
                .args(["--node-lease-duration-seconds=40", "--v=WARN"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(&log)?)
                .spawn()?,
        );
        let ready = await_condition(nodes, NODE, |node: Option<&Node>| {
            let status = node.and_then(|node| node.status.as_ref());
            let mut conditions = status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
        });
        tokio::time::timeout(PLAYED_WITHIN, ready)
            .await
            .with_context(|| format!("kwok says nothing of its node: {}", log.display()))??;
        Ok(kwok)
    }

    pub(super) async fn clean_up(&self) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        if nodes.get_opt(NODE).await?.is_some() {
            nodes.delete(NODE, &DeleteParams::default()).await?;
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for namespace in namespaces.list_metadata(&ListParams::default()).await? {
            if let Some(name) = namespace.metadata.name
                && name.starts_with(PREFIX)
            {
                self.forget(&name).await?;
            }
        }
        Ok(())
    }
}

/// The spec of a manifest.
pub(super) fn spec(manifest: &str) -> Result<Value> {
    let mut manifest: Value = serde_yaml::from_str(manifest)?;
    let spec = manifest.get_mut("spec").context("a spec")?;
    Ok(spec.take())
}

/// A resource with this number for a name.
pub(super) fn resource(number: usize, namespace: &str, spec: &Value) -> Result<UserService> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name(number), "namespace": namespace},
        "spec": spec,
    }))?)
}

pub(super) fn name(number: usize) -> String {
    format!("users-{number:05}")
}

/// The part of a spec by which pods come to the node that is none.
pub(super) fn played() -> Value {
    json!({
        "nodeSelector": {FAKE: "fake"},
        "tolerations": [{"key": FAKE, "operator": "Exists", "effect": "NoSchedule"}],
    })
}

pub(super) fn is_ready(resource: &UserService) -> bool {
    let mut conditions = resource.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
