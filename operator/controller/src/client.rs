//! The way to the API server, layer by layer.

mod retry;
mod throttle;

use std::{sync::Arc, time::Duration};

use kube::{Client, Config, client::ClientBuilder};
use tower::{
    buffer::BufferLayer,
    retry::{RetryLayer, backoff::InvalidBackoff},
};

use self::retry::Retry;
pub(crate) use self::throttle::Throttle;
use crate::{
    leadership::{Claim, Fence},
    metrics::{Calls, Metrics},
};

/// Bound for connecting to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bound for the next byte of an answer; the API server ends a watch within 295 s.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// Requests that wait to be sent, at most; more of them wait to be taken in.
const QUEUE: usize = 1024;

/// Why there is no way to the cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no way to the cluster: {0}")]
    Config(#[from] kube::config::InferConfigError),
    #[error("cannot build a client: {0}")]
    Client(#[from] kube::Error),
    #[error("cannot build a client: {0}")]
    Retry(#[from] InvalidBackoff),
}

/// The client of passes, behind the fence, and that of the election.
pub(crate) async fn clients(
    claim: &Claim,
    metrics: &Arc<Metrics>,
    throttle: &Throttle,
) -> Result<(Client, Client), Error> {
    let mut config = Config::infer().await?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // The time that a pooled connection sat idle is not the API server's.
    config.reset_reader_on_write = true;
    // It would go on for minutes; ours follows, where each attempt is counted.
    config.default_retry = false;
    let calls = Calls(Arc::clone(metrics));
    let unfenced = ClientBuilder::try_from(config.clone())?
        .with_layer(&calls)
        .build();
    // What the fence refuses is asked of nobody, and all attempts end with its bound.
    let fenced = ClientBuilder::try_from(config)?
        .with_layer(&calls)
        .with_layer(&throttle.listening())
        // What is sent again needs more than one hold of the way.
        .with_layer(&BufferLayer::new(QUEUE))
        .with_layer(&RetryLayer::new(Retry::new()?))
        .with_layer(&Fence(claim.clone()))
        .build();
    Ok((fenced, unfenced))
}
