//! Connections: accepting, bounding and draining them.
//!
//! The transport library's own server waits for its connections without bound when it stops; here every wait has one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::calls::{Calls, CountCalls};
use crate::connection::{Age, Connection, Error};
use crate::peers::Peers;
use crate::telemetry::{Event, Journal};
use crate::tls::Acceptor;

/// While stopping, this many looks in a row that find nothing new say that nothing more will come. It is looks that count,
/// since a process that is held to a quota of CPU time makes few of them and reads what has arrived between them.
const QUIET_LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(100);
/// HTTP/1 request headers have to be complete within this time.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// A quiet HTTP/2 connection is asked for a sign of life this often, and closed if none comes in time.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest header list of a request, in bytes as HTTP/2 counts them.
const MAX_HEADER_LIST: u32 = 16 * 1024;
/// Streams that a client opened and reset before they were looked at (CVE-2023-44487).
const MAX_PENDING_RESET_STREAMS: usize = 64;
/// Streams that we reset in the life of a connection, such as those beyond the limit that a client opened before it heard of
/// it; then the connection is closed, with the calls in flight on it. What the library takes by itself.
const MAX_LOCAL_RESET_STREAMS: usize = 1024;
/// Pause after the system refused a connection, mostly for want of file descriptors; more haste would only burn the CPU.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time; further ones wait in the kernel's backlog, unless there is always room for one.
    pub(crate) connections: usize,
    /// Calls in flight on one HTTP/2 connection.
    pub(crate) concurrent_streams: u32,
    /// How long a connection lives; for ever if absent.
    pub(crate) age: Option<Age>,
    /// How long a call may take.
    pub(crate) call_timeout: Duration,
    /// Time for calls in flight to finish once stopped.
    pub(crate) drain_timeout: Duration,
    /// Whether HTTP/1 is refused.
    pub(crate) http2_only: bool,
    /// Whether a connection ends for the next one, where that would have to wait.
    pub(crate) makes_room: bool,
}

impl Limits {
    fn builder(self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_TIMEOUT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.concurrent_streams)
            .max_header_list_size(MAX_HEADER_LIST)
            .max_pending_accept_reset_streams(MAX_PENDING_RESET_STREAMS)
            .max_local_error_reset_streams(MAX_LOCAL_RESET_STREAMS)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        if self.http2_only {
            builder.http2_only()
        } else {
            builder
        }
    }
}

/// Serves each peer by the service made for it, by TLS if there is an acceptor for it, until `stop` is cancelled; then
/// takes no more connections, tells the open ones to go away, and waits for their calls within the bound. How many calls
/// had to be cut.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    tls: Option<Acceptor>,
    service_for: impl Fn(SocketAddr) -> S,
    limits: Limits,
    journal: Journal,
    stop: CancellationToken,
) -> usize
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Error>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    let builder = limits.builder();
    let calls = Calls::default();
    let mut connections = JoinSet::new();
    let mut peers = limits.makes_room.then(|| Peers::new(limits.connections));
    while let Some((stream, peer, slot)) = accept(&listener, &slots, &journal, &stop).await {
        let stop = stop.clone();
        let connection = Connection::new(
            stream,
            peer,
            tls.clone(),
            limits.age,
            limits.call_timeout,
            stop,
            slot,
        );
        let service = CountCalls::new(service_for(peer), calls.clone());
        let task = connections.spawn(connection.serve(builder.clone(), service, journal.clone()));
        if let Some(peers) = &mut peers {
            peers.joined(peer.ip(), task);
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let drained = drained(&mut connections, &calls);
    let cut = match tokio::time::timeout(limits.drain_timeout, drained).await {
        Ok(()) => 0,
        Err(_) => calls.in_flight(),
    };
    connections.shutdown().await;
    cut
}

/// Waits until all connections have ended, as each does by itself once its client has confirmed that it should go away
/// and has its answers; or until nothing has happened for a while: what a peer sent before it read that may still be on
/// its way, but one that is gone, or never confirms, is not waited for.
async fn drained(connections: &mut JoinSet<()>, calls: &Calls) {
    let mut quiet = pin!(quiet(calls));
    loop {
        tokio::select! {
            ended = connections.join_next() => if ended.is_none() { return },
            () = quiet.as_mut() => return,
        }
    }
}

/// Waits until no call has been in flight or begun for a while.
async fn quiet(calls: &Calls) {
    let (mut begun, mut looks) = (calls.begun(), 0);
    while looks < QUIET_LOOKS {
        calls.ended().await;
        tokio::time::sleep(LOOK).await;
        let now = calls.begun();
        looks = if now == begun { looks + 1 } else { 0 };
        begun = now;
    }
}

/// The next connection with its slot, or `None` once stopped.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    journal: &Journal,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accepted = async {
        // The semaphore is never closed.
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, slot)),
                Err(error) => {
                    journal.tell(Event::ConnectionRefused(&error));
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = accepted => accepted,
    }
}

#[cfg(test)]
mod tests;
