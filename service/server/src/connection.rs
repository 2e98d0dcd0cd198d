//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::calls::CountCalls;
use crate::limits::{Age, Limits};
use crate::rewind::Rewind;
use crate::streams::WithStreams;
use crate::telemetry::{Event, Journal};
use crate::tls::Acceptor;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// How a client begins HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A new connection has to begin within this time.
pub(crate) const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that leaves a piece of an answer unread for this long, at most twice, is asked to make a new connection. The
/// calls on the old one have as long again, or as long as calls may take: others may share it, by a proxy.
pub(crate) const UNREAD_TIMEOUT: Duration = Duration::from_secs(5);

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection that was accepted, with its slot among those that there may be.
pub(crate) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Acceptor>,
    stop: CancellationToken,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<Acceptor>,
        stop: CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            stream,
            peer,
            tls,
            stop,
            _slot: slot,
        }
    }

    /// Serves until the client goes away or leaves answers unread, the connection is old or serving stops; then calls in
    /// flight are finished.
    pub(crate) async fn serve<S, B>(self, limits: Limits, service: CountCalls<S>, journal: Journal)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Error>> + Send + 'static,
    {
        let Self {
            stream,
            peer,
            tls,
            stop,
            _slot,
        } = self;
        // Until the client has begun there is nothing to drain.
        let begun = tokio::select! {
            begun = begin(stream, tls) => begun,
            () = stop.cancelled() => None,
        };
        let Some(stream) = begun else { return };
        let unread = service.unread();
        let mut unread = pin!(unread.stays_for(UNREAD_TIMEOUT));
        let grace = UNREAD_TIMEOUT.max(limits.call_timeout);
        let service = TowerToHyperService::new(service);
        let mut connection = pin!(WithStreams::new(|streams| {
            let builder = limits.builder(streams);
            builder
                .serve_connection(TokioIo::new(stream), service)
                .into_owned()
        }));
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = stop.cancelled() => {
                connection.as_mut().connection().graceful_shutdown();
                tokio::select! {
                    ended = connection => Some(ended),
                    () = async { unread.await; tokio::time::sleep(grace).await } => None,
                }
            }
            grace = old(limits.age, unread.as_mut(), grace) => {
                connection.as_mut().connection().graceful_shutdown();
                tokio::time::timeout(grace, connection).await.ok()
            }
        };
        match ended {
            Some(Ok(())) => {}
            Some(Err(error)) => journal.tell(Event::ConnectionFailed(peer, &error)),
            None => journal.tell(Event::ConnectionCut(peer)),
        }
    }
}

/// Waits until the connection is old, or taken for that since answers are unread; how long its calls have from then on,
/// `grace` in the latter case.
async fn old(age: Option<Age>, unread: impl Future<Output = ()>, grace: Duration) -> Duration {
    let of_age = async {
        match age {
            Some(age) => {
                tokio::time::sleep(age.jittered()).await;
                age.grace
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        grace = of_age => grace,
        () = unread => grace,
    }
}

/// Shakes hands, where there is TLS, and waits for the client to begin; `None` if it does not in time.
async fn begin(stream: TcpStream, tls: Option<Acceptor>) -> Option<Rewind<Stream>> {
    // Small answers must not wait for more to come; if it cannot be set they are slower, nothing else.
    let _ = stream.set_nodelay(true);
    let mut stream = match tls {
        Some(tls) => Either::Right(tls.accept(stream).await?),
        None => Either::Left(stream),
    };
    let opening = tokio::time::timeout(OPENING_TIMEOUT, opening(&mut stream)).await;
    Some(Rewind::new(opening.ok()??, stream))
}

/// What the client says first: the preface of HTTP/2 in full, or anything that cannot become one; `None` if it goes
/// away. The transport library would wait for the rest of a preface without bound, and through a graceful shutdown too
/// (hyper#4170).
async fn opening(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut opening = Vec::with_capacity(PREFACE.len());
    while opening.len() < PREFACE.len() && PREFACE.starts_with(&opening) {
        let missing = PREFACE.len() - opening.len();
        let mut rest = (&mut *stream).take(u64::try_from(missing).ok()?);
        if rest.read_buf(&mut opening).await.ok()? == 0 {
            return None;
        }
    }
    Some(opening)
}
