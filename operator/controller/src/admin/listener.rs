//! Connections to the admin port, which whoever reaches it may ask for without end.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{self, IncomingStream},
};
use futures::channel::oneshot::{self, Receiver, Sender};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Connections at a time, of which probes make one each and scrapers keep one.
pub(super) const MOST: usize = 64;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Peer {
    /// Whether it is within the pod. Other addresses of loopback are not: from 127.0.0.6 the proxy of
    /// Istio hands on what comes from elsewhere.
    pub(super) fn is_local(self) -> bool {
        let address = self.0.ip().to_canonical();
        address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
    }
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        *stream.remote_addr()
    }
}

/// Takes whoever comes; if there are too many, the oldest of the address that has most ends. A limit
/// for each address would shut out probes that share one with others, behind NAT or a proxy.
pub(super) struct Listener {
    inner: TcpListener,
    /// In the order in which they came. A connection ends with its place.
    places: Vec<(IpAddr, Sender<()>)>,
}

impl Listener {
    pub(super) const fn new(inner: TcpListener) -> Self {
        Self {
            inner,
            places: Vec::new(),
        }
    }

    fn place(&mut self, peer: IpAddr) -> Receiver<()> {
        let (place, lost) = oneshot::channel();
        self.places.retain(|(_, place)| !place.is_canceled());
        self.places.push((peer, place));
        if self.places.len() > MOST
            && let Some(at) = self.first_of_most()
        {
            self.places.remove(at);
        }
        lost
    }

    fn first_of_most(&self) -> Option<usize> {
        let places = self.places.iter().enumerate();
        // The last of equals is taken.
        let newest_first = places.rev();
        let most = newest_first.max_by_key(|(_, (peer, _))| self.of(*peer));
        most.map(|(at, _)| at)
    }

    fn of(&self, peer: IpAddr) -> usize {
        let peers = self.places.iter().map(|(peer, _)| *peer);
        peers.filter(|other| *other == peer).count()
    }
}

impl serve::Listener for Listener {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        let (stream, peer) = serve::Listener::accept(&mut self.inner).await;
        let lost = self.place(peer.ip());
        (Connection { stream, lost }, Peer(peer))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        self.inner.local_addr().map(Peer)
    }
}

/// A connection for as long as it has its place.
pub(super) struct Connection {
    stream: TcpStream,
    lost: Receiver<()>,
}

impl Connection {
    /// The stream, if the place is there still; the task that asks is woken when it is lost.
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match Pin::new(&mut self.lost).poll(context) {
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
            Poll::Ready(_) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
