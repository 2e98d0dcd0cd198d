//! TLS on the gRPC port, ended by the process itself so that changed certificates and authorities need no restart.

mod clients;
mod files;
mod reload;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use user_settings::{Tls, TlsMode};

use crate::metrics::{HandshakeResult, TlsMetrics};
use crate::task::Task;

pub use files::TlsError;

/// Handshakes at a time; further ones wait for their turn, as long as a handshake may take. Each costs about a millisecond of CPU,
/// which calls need, too.
const CONCURRENT_HANDSHAKES: usize = 256;
/// The one protocol that is spoken (RFC 9113 §3.2).
const HTTP2: &[u8] = b"h2";

/// Makes TLS connections out of TCP connections.
#[derive(Clone)]
pub(crate) struct Acceptor {
    config: watch::Receiver<Arc<ServerConfig>>,
    turns: Arc<Semaphore>,
    timeout: Duration,
    metrics: TlsMetrics,
}

/// What accepts TLS connections, and what keeps its certificates current.
pub(crate) struct Started {
    pub(crate) acceptor: Acceptor,
    pub(crate) reload: Task<()>,
}

/// Reads the files; `None` if there shall be no TLS.
///
/// # Errors
/// A file cannot be read or used.
pub(crate) fn start(settings: &Tls, metrics: &TlsMetrics) -> Result<Option<Started>, TlsError> {
    if settings.mode == TlsMode::Off {
        return Ok(None);
    }
    let (reloader, config) = reload::Reloader::start(settings, metrics.clone())?;
    Ok(Some(Started {
        acceptor: Acceptor {
            config,
            turns: Arc::new(Semaphore::new(CONCURRENT_HANDSHAKES)),
            timeout: settings.handshake_timeout,
            metrics: metrics.clone(),
        },
        reload: Task::spawn(|stop| tokio::spawn(reloader.run(stop))),
    }))
}

impl Acceptor {
    /// Shakes hands. `None` if the client cannot be served, or takes too long.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<Box<TlsStream<TcpStream>>> {
        let (result, accepted) = match self.in_time(stream).await {
            Ok(Some(accepted)) => (HandshakeResult::Completed, Some(Box::new(accepted))),
            Ok(None) => (HandshakeResult::Failed, None),
            Err(_) => (HandshakeResult::TimedOut, None),
        };
        self.metrics.handshake_ended(result);
        accepted
    }

    /// The wait for the turn has a time of its own: a crowd of clients that say nothing delays the others, and does not
    /// shut them out.
    async fn in_time(&self, stream: TcpStream) -> Result<Option<TlsStream<TcpStream>>, Elapsed> {
        let _turn = timeout(self.timeout, self.turns.acquire()).await?;
        timeout(self.timeout, self.handshake(stream)).await
    }

    async fn handshake(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let peer = stream.peer_addr().ok();
        let config = Arc::clone(&self.config.borrow());
        match TlsAcceptor::from(config).accept(stream).await {
            // A client that names no protocol at all passes the handshake.
            Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(HTTP2) => Some(stream),
            Ok(_) => {
                tracing::debug!(?peer, "a client did not ask for HTTP/2 (ALPN)");
                None
            }
            Err(error) => {
                tracing::debug!(?peer, %error, "a TLS handshake failed");
                None
            }
        }
    }
}
