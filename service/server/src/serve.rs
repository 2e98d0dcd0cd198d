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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::calls::{Calls, CountCalls};
use crate::connection::{Connection, Error};
use crate::limits::Limits;
use crate::peers::Peers;
use crate::telemetry::{Event, Journal};
use crate::tls::Acceptor;

/// While stopping, this many looks in a row that find nothing new say that nothing more will come. It is looks that count,
/// since a process that is held to a quota of CPU time makes few of them and reads what has arrived between them.
const QUIET_LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(100);
/// Pause after the system refused a connection, mostly for want of file descriptors; more haste would only burn the CPU.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

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
    let calls = Calls::default();
    let mut connections = JoinSet::new();
    let mut peers = limits.makes_room.then(|| Peers::new(limits.connections));
    while let Some((stream, peer, slot)) = accept(&listener, &slots, &journal, &stop).await {
        let stop = stop.clone();
        let connection = Connection::new(stream, peer, tls.clone(), stop, slot);
        let service = CountCalls::new(service_for(peer), calls.clone());
        let task = connections.spawn(connection.serve(limits, service, journal.clone()));
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
