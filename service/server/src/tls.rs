//! TLS on the gRPC port, ended by the process itself so that changed certificates and authorities need no restart.

mod clients;
mod files;
mod reload;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use user_settings::{Tls, TlsMode};

use crate::task::Task;
use crate::telemetry::{Event, Journal};

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
    journal: Journal,
}

/// What accepts TLS connections, and what keeps its certificates current.
pub(crate) struct Started {
    pub(crate) acceptor: Acceptor,
    pub(crate) reload: Task<()>,
}

/// Reads the files; `None` if there shall be no TLS.
///
/// # Errors
/// A file cannot be read or used, at this time or at all.
pub(crate) fn start(settings: &Tls, journal: &Journal) -> Result<Option<Started>, TlsError> {
    if settings.mode == TlsMode::Off {
        return Ok(None);
    }
    let (reloader, config) = reload::Reloader::start(settings, since_1970(), journal.clone())?;
    Ok(Some(Started {
        acceptor: Acceptor {
            config,
            turns: Arc::new(Semaphore::new(CONCURRENT_HANDSHAKES)),
            timeout: settings.handshake_timeout,
            journal: journal.clone(),
        },
        reload: Task::spawn(|stop| tokio::spawn(reloader.run(stop))),
    }))
}

/// The time, as certificates have it.
fn since_1970() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
}

impl Acceptor {
    /// Shakes hands. `None` if the client cannot be served, or takes too long.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<Box<TlsStream<TcpStream>>> {
        let peer = stream.peer_addr().ok();
        match self.in_time(stream).await {
            Ok(Ok(accepted)) => {
                self.journal.tell(Event::HandshakeCompleted(peer));
                Some(Box::new(accepted))
            }
            Ok(Err(why)) => {
                self.journal.tell(Event::HandshakeFailed(peer, &why));
                None
            }
            Err(_) => {
                self.journal.tell(Event::HandshakeTimedOut(peer));
                None
            }
        }
    }

    /// The wait for the turn has a time of its own: a crowd of clients that say nothing delays the others, and does not
    /// shut them out.
    async fn in_time(
        &self,
        stream: TcpStream,
    ) -> Result<io::Result<TlsStream<TcpStream>>, Elapsed> {
        let _turn = timeout(self.timeout, self.turns.acquire()).await?;
        timeout(self.timeout, self.handshake(stream)).await
    }

    async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.config.borrow());
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        // A client that names no protocol at all passes the handshake.
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
            Ok(stream)
        } else {
            Err(io::Error::other("no HTTP/2 was asked for (ALPN)"))
        }
    }
}
