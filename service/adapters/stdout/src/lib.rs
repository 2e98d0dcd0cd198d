//! Driven adapter: publishes events as JSON lines, by default on standard output.
//!
//! Each line is a `CloudEvents` 1.0 event in the JSON format. It holds no personal data, because what is printed ends up
//! in a log: who wants to know more asks the API for the subject.

mod output;

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex, oneshot};
use user_application::{EventPublisher, OutboxRecord, PublishError, TraceContext};
use user_domain::EventKind;

pub use output::Stdout;

/// `source` of every event: which kind of service it comes from, as a URI reference.
pub const SOURCE: &str = "//usersvc.dev/user-service";

/// How long the reader of the lines may keep us waiting for one.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes one line for each event. Lines that come together, or while others are written, go out by one write.
#[derive(Debug)]
pub struct JsonLines<W> {
    waiting: std::sync::Mutex<Waiting>,
    output: Mutex<Output<W>>,
}

/// Lines that nobody has begun to write, and who waits for them.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    waiters: Vec<oneshot::Sender<Result<(), ErrorKind>>>,
}

#[derive(Debug)]
struct Output<W> {
    writer: W,
    /// A write began and was not seen to end, so the last line may be torn.
    torn: bool,
}

impl<W: AsyncWrite + Unpin + Send + 'static> JsonLines<W> {
    /// A publisher that writes here.
    pub fn new(writer: W) -> Self {
        Self {
            waiting: std::sync::Mutex::default(),
            output: Mutex::new(Output {
                writer,
                torn: false,
            }),
        }
    }
}

impl<W: AsyncWrite + Unpin + Send> Output<W> {
    async fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        if std::mem::replace(&mut self.torn, true) {
            self.writer.write_all(b"\n").await?;
        }
        self.writer.write_all(lines).await?;
        self.writer.flush().await?;
        self.torn = false;
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> JsonLines<W> {
    async fn write(&self, envelope: &Envelope<'_>) -> Result<(), PublishError> {
        let written = self.enqueue(envelope)?;
        // The line may be out nonetheless; it goes out again under the same id.
        match tokio::time::timeout(WRITE_TIMEOUT, self.is_out(written)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(kind)) => Err(PublishError::Unavailable(std::io::Error::from(kind).into())),
            Err(late) => Err(PublishError::Unavailable(late.into())),
        }
    }

    /// Adds the line to those that wait; what is told when it is out.
    fn enqueue(
        &self,
        envelope: &Envelope<'_>,
    ) -> Result<oneshot::Receiver<Result<(), ErrorKind>>, PublishError> {
        let mut line = serde_json::to_vec(envelope)
            .map_err(|error| PublishError::Unpublishable(error.into()))?;
        line.push(b'\n');
        let (waiter, written) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.lines.append(&mut line);
        waiting.waiters.push(waiter);
        Ok(written)
    }

    /// Whoever comes first writes for all that wait.
    async fn is_out(
        &self,
        mut written: oneshot::Receiver<Result<(), ErrorKind>>,
    ) -> Result<(), ErrorKind> {
        let mut output = self.output.lock().await;
        match written.try_recv() {
            Ok(outcome) => return outcome,
            // Whoever wrote it was given up meanwhile.
            Err(TryRecvError::Closed) => return Err(ErrorKind::Interrupted),
            Err(TryRecvError::Empty) => {}
        }
        // Others who have a line by now add it.
        tokio::task::yield_now().await;
        let Waiting { lines, waiters } = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        let outcome = output.write(&lines).await.map_err(|error| error.kind());
        for waiter in waiters {
            // Who waits no more has been told that it may be out.
            let _ = waiter.send(outcome);
        }
        outcome
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> EventPublisher for JsonLines<W> {
    async fn publish(&self, record: &OutboxRecord) -> Result<(), PublishError> {
        let envelope = Envelope::new(record, None);
        if envelope.time.is_none() {
            return Err(PublishError::Unpublishable(Timeless.into()));
        }
        self.write(&envelope).await
    }

    async fn publish_dead_letter(
        &self,
        record: &OutboxRecord,
        reason: &PublishError,
    ) -> Result<(), PublishError> {
        self.write(&Envelope::new(record, Some(reason.reason())))
            .await
    }
}

/// The time of an event has no form in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time of the event is before 1970 or after 9999")]
struct Timeless;

/// `CloudEvents` attributes, and the data beside them. A dead letter says why it is one.
#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    r#type: &'static str,
    subject: String,
    /// Optional in `CloudEvents`; every event has one, save for a dead letter whose time has no form.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadletterreason: Option<&'static str>,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    version: u64,
}

impl<'a> Envelope<'a> {
    fn new(record: &'a OutboxRecord, deadletterreason: Option<&'static str>) -> Self {
        let event = &record.event;
        Self {
            specversion: "1.0",
            id: event.id().to_string(),
            source: SOURCE,
            r#type: match event.kind() {
                EventKind::Created => "user.created",
                EventKind::Updated => "user.updated",
                EventKind::Deleted => "user.deleted",
            },
            subject: event.user_id().to_string(),
            time: written(event.occurred_at()),
            datacontenttype: "application/json",
            traceparent: record.trace.as_ref().map(TraceContext::parent),
            deadletterreason,
            data: Data {
                version: event.version().get(),
            },
        }
    }
}

/// To the millisecond, as RFC 3339 writes it.
fn written(time: SystemTime) -> Option<String> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_millis(time)).ok()?;
    Some(text)
}
