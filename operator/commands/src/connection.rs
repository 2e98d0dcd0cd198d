use std::{env, net::IpAddr, path::PathBuf, time::Duration};

use clap::Args;
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Bound for connecting to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which cluster and namespace, as kubectl takes them.
#[derive(Args, Clone, Debug, Default)]
pub struct ConnectionArgs {
    /// Namespace, where the manifest names none [default: that of the context].
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig to use.
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// Path of the kubeconfig [default: `KUBECONFIG`, then `~/.kube/config`].
    #[arg(long, value_name = "FILE", global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// User to act as, by impersonation.
    #[arg(long = "as", value_name = "USER", global = true)]
    pub as_user: Option<String>,
}

/// A way to the cluster.
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The namespace to look at where nothing else is said.
    pub namespace: String,
}

/// Why there is no way to the cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be used.
    #[error("no way to the cluster: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Neither a file nor a pod's account is there.
    #[error("no way to the cluster: {0}")]
    Infer(#[from] kube::config::InferConfigError),
    /// What it says cannot be used.
    #[error("cannot build a client: {0}")]
    Client(#[from] kube::Error),
}

impl ConnectionArgs {
    /// Reads the kubeconfig; asks nothing of the cluster yet.
    ///
    /// # Errors
    /// If there is none, or it cannot be used.
    pub async fn connect(&self) -> Result<Connection, Error> {
        // More than one TLS provider may be linked; naming one keeps rustls from having to guess.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.proxy_url = config
            .proxy_url
            .filter(|proxy| !is_of_environment(proxy) || is_proxied(&config.cluster_url));
        if self.as_user.is_some() {
            config.auth_info.impersonate.clone_from(&self.as_user);
        }
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)?;
        Ok(Connection { client, namespace })
    }

    async fn config(&self) -> Result<Config, Error> {
        if self.context.is_none() && self.kubeconfig.is_none() {
            return Ok(Config::infer().await?);
        }
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path)?,
            None => Kubeconfig::read()?,
        };
        Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await?)
    }
}

/// Whether a proxy is that of the environment, and not one that the kubeconfig names.
fn is_of_environment(proxy: &Uri) -> bool {
    ["HTTPS_PROXY", "https_proxy"].iter().any(|name| {
        let value = env::var(name).ok();
        value.and_then(|value| value.parse().ok()).as_ref() == Some(proxy)
    })
}

/// Whether a server is reached by the proxy of the environment. As for kubectl, one on this machine is not, nor one that
/// `NO_PROXY` names; kube takes the proxy for all of them.
fn is_proxied(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse();
    let is_here = host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback());
    !is_here && Matcher::from_env().intercept(server).is_some()
}
