//! Connections of clients: accepting, bounding and ending them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::Server;
use crate::wire::{self, Header, Message, WireError};

/// Pause after the system refused a connection, mostly for want of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// What has begun to be sent has to be there within this time, in both directions.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long commands in flight may take once stopped.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How often what nobody uses is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("a message did not come to its end in time")]
    Slow(#[from] tokio::time::error::Elapsed),
}

/// Serves until `stop` is cancelled, then waits for what is in flight within a bound.
pub(crate) async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    connections: usize,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(connections));
    let tasks = TaskTracker::new();
    tasks.spawn(sweep(Arc::clone(&server), stop.clone()));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!(connections, "too many connections: one was closed");
            continue;
        };
        let (server, stop) = (Arc::clone(&server), stop.clone());
        tasks.spawn(async move {
            if let Err(error) = connection(stream, &server, &stop).await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(slot);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(connections = tasks.len(), "cut");
    }
}

/// Answers one message after the other until the client goes away.
async fn connection(
    mut stream: TcpStream,
    server: &Server,
    stop: &CancellationToken,
) -> Result<(), ConnectionError> {
    // Small answers must not wait for more to come; if it cannot be set they are slower, nothing else.
    let _ = stream.set_nodelay(true);
    let mut number: i32 = 0;
    loop {
        let mut header = [0; wire::HEADER];
        let read = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            read = stream.read(&mut header) => read?,
        };
        if read == 0 {
            return Ok(());
        }
        let message = async {
            if let Some(missing) = header.get_mut(read..) {
                stream.read_exact(missing).await?;
            }
            let header = Header::parse(header)?;
            let mut rest = Vec::new();
            let length = u64::try_from(header.rest).unwrap_or(u64::MAX);
            (&mut stream).take(length).read_to_end(&mut rest).await?;
            Ok::<_, ConnectionError>((header, Message::parse(header, &rest)?))
        };
        let (header, message) = tokio::time::timeout(MESSAGE_TIMEOUT, message).await??;
        let (unanswered, legacy) = (message.unanswered, message.legacy);
        let body = server.answer(message).await;
        if !unanswered {
            number = number.wrapping_add(1);
            let bytes = wire::answer(number, header.request, legacy, body.as_bytes());
            tokio::time::timeout(MESSAGE_TIMEOUT, stream.write_all(&bytes)).await??;
        }
    }
}

async fn sweep(server: Arc<Server>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        for owner in server.sessions.sweep(now).await {
            tracing::info!("a transaction that nobody went on with was rolled back");
            server.cursors.forget(owner);
        }
        server.cursors.sweep(now);
    }
}
