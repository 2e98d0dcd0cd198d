//! Connections: each client has its own to the database, and its calls are looked at on the way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::rules::{Action, Rules};
use crate::wire::{Frame, failure};

/// Clients at a time; further ones are closed.
const CONNECTIONS: usize = 1000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection, mostly for want of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// No message has this number: theirs have 32 bits.
const NONE: i64 = i64::MAX;

/// Passes connections on to `upstream` until `stop` is cancelled, which ends them all.
pub async fn serve(
    listener: TcpListener,
    upstream: String,
    rules: Arc<Rules>,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let upstream: Arc<str> = upstream.into();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
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
            tracing::warn!("too many connections: one was closed");
            continue;
        };
        let (upstream, rules) = (Arc::clone(&upstream), Arc::clone(&rules));
        let stop = stop.clone();
        tokio::spawn(async move {
            let ended = tokio::select! {
                () = stop.cancelled() => Ok(()),
                ended = connection(stream, &upstream, &rules) => ended,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended");
            }
            drop(slot);
        });
    }
}

async fn connection(client: TcpStream, upstream: &str, rules: &Rules) -> io::Result<()> {
    let connect = TcpStream::connect(upstream);
    let database = tokio::time::timeout(CONNECT_TIMEOUT, connect).await??;
    // Small messages must not wait for more to come; if it cannot be set they are slower, nothing else.
    let _ = client.set_nodelay(true);
    let _ = database.set_nodelay(true);
    let (calls, answers) = client.into_split();
    let (results, commands) = database.into_split();
    let passage = Passage {
        answers: Mutex::new(answers),
        swallowed: AtomicI64::new(NONE),
    };
    tokio::select! {
        ended = passage.forward(calls, commands, rules) => ended,
        ended = passage.backward(results) => ended,
    }
}

/// What both directions of a connection share.
struct Passage {
    answers: Mutex<OwnedWriteHalf>,
    /// The message of which the answer is not passed on.
    swallowed: AtomicI64,
}

impl Passage {
    async fn forward(
        &self,
        mut calls: OwnedReadHalf,
        mut commands: OwnedWriteHalf,
        rules: &Rules,
    ) -> io::Result<()> {
        while let Some(frame) = Frame::read(&mut calls).await? {
            let action = frame.call().and_then(|call| {
                let action = rules.decide(&call)?;
                tracing::info!(command = call.command, ?action, "broken");
                Some(action)
            });
            match action {
                None => {}
                Some(Action::Cut) => return Ok(()),
                Some(Action::Hang) => continue,
                Some(Action::DelayMs(milliseconds)) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                }
                Some(Action::Error(injected)) => {
                    let bytes = failure(frame.id, &injected);
                    self.answers.lock().await.write_all(&bytes).await?;
                    continue;
                }
                Some(Action::DropAnswer) if frame.is_unanswered() => {
                    return commands.write_all(&frame.bytes).await;
                }
                Some(Action::DropAnswer) => {
                    self.swallowed.store(i64::from(frame.id), Ordering::Release);
                }
            }
            commands.write_all(&frame.bytes).await?;
        }
        Ok(())
    }

    async fn backward(&self, mut results: OwnedReadHalf) -> io::Result<()> {
        while let Some(frame) = Frame::read(&mut results).await? {
            if i64::from(frame.answers) == self.swallowed.load(Ordering::Acquire) {
                return Ok(());
            }
            self.answers.lock().await.write_all(&frame.bytes).await?;
        }
        Ok(())
    }
}
