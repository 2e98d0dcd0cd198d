//! What is on the lines, and what happens when writing fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use support::Sink;
use tokio::task::JoinSet;
use user_adapter_stdout::JsonLines;
use user_application::testkit::new_user;
use user_application::testkit::publisher::{record, unwritable};
use user_application::{EventPublisher, PublishError};

#[tokio::test]
async fn each_event_is_one_line_with_cloud_events_attributes_and_no_personal_data() {
    let sink = Sink::default();
    let (user, first) = new_user(1, "Ada@example.com");
    let (_, second) = new_user(2, "grace@example.com");
    let publisher = JsonLines::new(sink.clone());
    for event in [&first, &second] {
        publisher.publish(&record(event.clone())).await.unwrap();
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
async fn lines_that_come_together_are_written_together() {
    let sink = Sink::default();
    let publisher = Arc::new(JsonLines::new(sink.clone()));
    let mut publishing = JoinSet::new();
    for number in 1..=100 {
        let (publisher, (_, event)) = (Arc::clone(&publisher), new_user(number, "ada@example.com"));
        publishing.spawn(async move { publisher.publish(&record(event)).await });
    }
    for published in publishing.join_all().await {
        published.unwrap();
    }
    assert_eq!((sink.text().lines().count(), sink.writes()), (100, 1));
}

#[tokio::test]
async fn a_dead_letter_is_a_line_that_says_why() {
    let sink = Sink::default();
    let (_, event) = new_user(1, "ada@example.com");
    JsonLines::new(sink.clone())
        .publish_dead_letter(&record(event.clone()), &PublishError::Refused("no".into()))
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
    sink.tear_after(10);
    let publisher = JsonLines::new(sink.clone());
    let (_, event) = new_user(1, "ada@example.com");
    let failed = publisher.publish(&record(event.clone())).await;
    assert!(matches!(failed, Err(PublishError::Unavailable(_))));
    publisher.publish(&record(event.clone())).await.unwrap();
    let text = sink.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0].len(), 10);
    serde_json::from_str::<serde_json::Value>(lines[1]).expect("the repeated line is whole");
}

#[tokio::test]
async fn a_time_that_has_no_form_is_a_dead_letter_without_it() {
    let sink = Sink::default();
    let publisher = JsonLines::new(sink.clone());
    let event = unwritable(1);
    let error = publisher.publish(&event).await.unwrap_err();
    assert!(matches!(error, PublishError::Unpublishable(_)), "{error:?}");
    publisher.publish_dead_letter(&event, &error).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(&sink.text()).unwrap();
    assert_eq!(line.get("time"), None);
    assert_eq!(line["deadletterreason"], "unpublishable");
}
