//! What is on the lines, and what happens when writing fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use user_adapter_stdout::JsonLines;
use user_application::testkit::new_user;
use user_application::{EventPublisher, OutboxRecord, PublishError};
use user_domain::UserEvent;

/// Keeps what is written; of the first write it takes only a part and then fails.
#[derive(Clone, Default)]
struct Sink {
    written: Arc<Mutex<Vec<u8>>>,
    tears: Arc<Mutex<Option<Tear>>>,
}

enum Tear {
    After(usize),
    Now,
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

impl AsyncWrite for Sink {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, Error>> {
        let mut tears = self.tears.lock().unwrap();
        let taken = match tears.take() {
            None => data.len(),
            Some(Tear::After(bytes)) => {
                *tears = Some(Tear::Now);
                bytes
            }
            Some(Tear::Now) => return Poll::Ready(Err(Error::from(ErrorKind::BrokenPipe))),
        };
        self.written.lock().unwrap().extend(&data[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

fn record(event: &UserEvent) -> OutboxRecord {
    OutboxRecord {
        event: event.clone(),
        trace: None,
        attempts: 0,
    }
}

#[tokio::test]
async fn each_event_is_one_line_with_cloud_events_attributes_and_no_personal_data() {
    let sink = Sink::default();
    let (user, first) = new_user(1, "Ada@example.com");
    let (_, second) = new_user(2, "grace@example.com");
    let publisher = JsonLines::new(sink.clone());
    for event in [&first, &second] {
        publisher.publish(&record(event)).await.unwrap();
    }
    let text = sink.text();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines[0],
        serde_json::json!({
            "specversion": "1.0",
            "id": first.id().to_string(),
            "source": "//usersvc.dev/user-service",
            "type": "user.created",
            "subject": first.user_id().to_string(),
            "time": "1970-01-01T00:00:00.001Z",
            "datacontenttype": "application/json",
            "data": {"version": 1},
        })
    );
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["id"], second.id().to_string());
    for personal in [
        user.name().as_str(),
        user.email().as_str(),
        user.email().as_key(),
    ] {
        assert!(!text.contains(personal));
    }
}

#[tokio::test]
async fn a_dead_letter_is_a_line_that_says_why() {
    let sink = Sink::default();
    let (_, event) = new_user(1, "ada@example.com");
    JsonLines::new(sink.clone())
        .publish_dead_letter(&record(&event), &PublishError::Refused("no".into()))
        .await
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(&sink.text()).unwrap();
    assert_eq!(
        (&line["id"], &line["deadletterreason"]),
        (&event.id().to_string().into(), &"refused".into())
    );
}

#[tokio::test]
async fn after_a_torn_write_the_next_attempt_starts_on_a_line_of_its_own() {
    let sink = Sink::default();
    *sink.tears.lock().unwrap() = Some(Tear::After(10));
    let publisher = JsonLines::new(sink.clone());
    let (_, event) = new_user(1, "ada@example.com");
    let failed = publisher.publish(&record(&event)).await;
    assert!(matches!(failed, Err(PublishError::Unavailable(_))));
    publisher.publish(&record(&event)).await.unwrap();
    let text = sink.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0].len(), 10);
    serde_json::from_str::<serde_json::Value>(lines[1]).expect("the repeated line is whole");
}
