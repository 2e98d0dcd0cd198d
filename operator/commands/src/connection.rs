use std::{env, net::IpAddr, path::PathBuf, time::Duration};

use clap::Args;
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
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
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path)?,
            None => match Kubeconfig::read() {
                // In a pod there is none.
                Err(_) if self.context.is_none() => return Ok(Config::infer().await?),
                read => read?,
            },
        };
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let named = named_proxy(&kubeconfig, self.context.as_ref());
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        config.proxy_url = proxy(named, &config.cluster_url)?;
        Ok(config)
    }
}

/// What a kubeconfig says of a proxy, for a context or the current one.
fn named_proxy(kubeconfig: &Kubeconfig, context: Option<&String>) -> Option<String> {
    let context = context.or(kubeconfig.current_context.as_ref())?;
    let mut contexts = kubeconfig.contexts.iter();
    let context = contexts.find(|named| named.name == *context)?;
    let cluster = &context.context.as_ref()?.cluster;
    let mut clusters = kubeconfig.clusters.iter();
    let cluster = clusters.find(|named| named.name == *cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone()
}

/// The proxy that kubectl would take: the one that is named, or that of the environment, from which it takes servers on
/// this machine and those in `NO_PROXY` out. kube holds `NO_PROXY` against the proxy's own address.
fn proxy(named: Option<String>, server: &Uri) -> Result<Option<Uri>, Error> {
    let of_environment = || {
        let variables = ["HTTPS_PROXY", "https_proxy"].iter();
        variables
            .filter_map(|name| env::var(name).ok())
            .find(|value| !value.is_empty())
    };
    let proxy = named
        .filter(|proxy| !proxy.is_empty())
        .or_else(|| is_proxied(server).then(of_environment).flatten());
    let Some(proxy) = proxy else {
        return Ok(None);
    };
    let has_scheme = proxy.contains("://");
    let address = if has_scheme {
        proxy
    } else {
        format!("http://{proxy}")
    };
    let proxy = address.parse().map_err(KubeconfigError::ParseProxyUrl)?;
    Ok(Some(proxy))
}

/// Whether a server is reached by the proxy of the environment.
fn is_proxied(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse();
    let is_here = host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback());
    !is_here && Matcher::from_env().intercept(server).is_some()
}
