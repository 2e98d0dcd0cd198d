//! The cluster under test, as the bed describes it in the environment.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Node, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};

use crate::signal::signal;

/// Namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "userservice-system";
/// The operator's Deployment and ServiceAccount.
pub const OPERATOR: &str = "userservice-operator";

/// The operator's process, as far as the kernel keeps its name.
pub const OPERATOR_PROCESS: &str = "userservice-op";

/// Bound for a pod to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// A client and what the bed says about the cluster.
#[derive(Clone)]
pub struct Cluster {
    /// Client with the rights of a cluster administrator.
    pub client: Client,
    /// Image of the load and demo client.
    pub client_image: String,
    /// The API server's audit log; `None` on a cluster that is not the bed's.
    pub audit_log: Option<PathBuf>,
}

impl Cluster {
    /// Connects by `KUBECONFIG` and the bed's variables.
    ///
    /// # Errors
    /// If the environment is not that of `make e2e`, or the cluster does not answer.
    pub async fn connect() -> Result<Self> {
        let client_image = std::env::var("CLIENT_IMAGE")
            .context("CLIENT_IMAGE is not set: scenarios run by `make e2e`, or after `eval \"$(make -s env)\"`")?;
        let client = Client::try_default()
            .await
            .context("connect by KUBECONFIG")?;
        Ok(Self {
            client,
            client_image,
            audit_log: std::env::var_os("BED_AUDIT_LOG").map(PathBuf::from),
        })
    }

    /// Names of the nodes that take ordinary pods, sorted.
    ///
    /// # Errors
    /// If nodes cannot be listed.
    pub async fn workers(&self) -> Result<Vec<String>> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let params = ListParams::default().labels("!node-role.kubernetes.io/control-plane");
        let mut names: Vec<String> = nodes
            .list(&params)
            .await?
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        names.sort();
        anyhow::ensure!(
            names.len() >= 2,
            "two worker nodes are needed, found {names:?}"
        );
        Ok(names)
    }

    /// The pod of the operator that leads, by its Lease.
    ///
    /// # Errors
    /// If the Lease cannot be read.
    pub async fn leader(&self) -> Result<Option<String>> {
        let holder = self.lease_holder().await?;
        Ok(holder.and_then(|holder| Some(holder.rsplit_once('_')?.0.to_owned())))
    }

    /// Who leads: the pod, and which of its processes.
    ///
    /// # Errors
    /// If the Lease cannot be read.
    pub async fn lease_holder(&self) -> Result<Option<String>> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), OPERATOR_NAMESPACE);
        let lease = leases.get_opt(OPERATOR).await?;
        Ok(lease.and_then(|lease| lease.spec?.holder_identity))
    }

    /// Kills the operator that leads, as a crash does: its Lease is not given back. Its pod goes too, so that the kubelet
    /// puts off no successor.
    ///
    /// # Errors
    /// If nobody leads, or the process or the pod cannot be ended.
    pub async fn crash_leader(&self) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), OPERATOR_NAMESPACE);
        let name = self.leader().await?.context("an operator leads")?;
        signal(&pods.get(&name).await?, OPERATOR_PROCESS, "KILL").await?;
        pods.delete(&name, &DeleteParams::default().grace_period(0))
            .await?;
        Ok(())
    }

    /// An HTTP GET of `path` on a pod's port, through the API server.
    ///
    /// # Errors
    /// If the pod does not answer, within 5 s.
    pub async fn pod_get(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        path: &str,
    ) -> Result<String> {
        let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
        let request = http::Request::get(&uri).body(Vec::new())?;
        let answer = tokio::time::timeout(ANSWER, self.client.request_text(request)).await;
        answer
            .with_context(|| format!("{uri}: no answer within {ANSWER:?}"))?
            .with_context(|| uri)
    }
}

/// Sum of all samples of a metric whose line contains `label`.
pub fn metric(text: &str, name: &str, label: &str) -> f64 {
    text.lines()
        .filter(|line| line.starts_with(name) && line.contains(label))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
        .sum()
}
