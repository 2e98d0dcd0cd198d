//! Driven adapter: publishes events as JSON lines, by default on standard output.
//!
//! Each line is a `CloudEvents` 1.0 event in the JSON format. It holds no personal data, because what is printed ends up
//! in a log: who wants to know more asks the API for the subject.

use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Mutex;
use user_application::{EventPublisher, PublishError, PublishFailure};
use user_domain::UserEvent;

/// `source` of every event: which kind of service it comes from, as a URI reference.
pub const SOURCE: &str = "//usersvc.dev/user-service";

/// Writes one line for each event.
#[derive(Debug)]
pub struct JsonLines<W> {
    output: Mutex<Output<W>>,
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

impl<W: AsyncWrite + Unpin + Send + 'static> EventPublisher for JsonLines<W> {
    async fn publish(&self, events: &[UserEvent]) -> Result<(), PublishFailure> {
        let failed = |error| PublishFailure {
            published: 0,
            error,
        };
        let mut lines = Vec::new();
        for event in events {
            serde_json::to_writer(&mut lines, &Envelope::from(event))
                .map_err(|error| failed(PublishError::Encoding(error.into())))?;
            lines.push(b'\n');
        }
        let written = self.output.lock().await.write(&lines).await;
        // Lines may be out before the writer failed; they go out again under the same ids.
        written.map_err(|error| failed(PublishError::Unavailable(error.into())))
    }
}

/// `CloudEvents` attributes, and the data beside them.
#[derive(Serialize)]
struct Envelope {
    specversion: &'static str,
    id: String,
    source: &'static str,
    r#type: &'static str,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    version: u64,
}

impl From<&UserEvent> for Envelope {
    fn from(event: &UserEvent) -> Self {
        Self {
            specversion: "1.0",
            id: event.id().to_string(),
            source: SOURCE,
            r#type: match event {
                UserEvent::Created(_) => "user.v1.UserCreated",
            },
            subject: event.user_id().to_string(),
            time: humantime::format_rfc3339_millis(event.occurred_at()).to_string(),
            datacontenttype: "application/json",
            data: Data {
                version: event.version().get(),
            },
        }
    }
}
