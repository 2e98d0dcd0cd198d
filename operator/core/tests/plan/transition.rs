//! Which changes of a status become Events.

use operator_api::UserServiceStatus;
use operator_core::{Transition, transitions};
use serde_json::json;

fn status(conditions: &[(&str, &str, &str, &str)]) -> UserServiceStatus {
    let conditions: Vec<_> = conditions
        .iter()
        .map(|(type_, status, reason, message)| {
            json!({
                "type": type_, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    serde_json::from_value(json!({"conditions": conditions})).unwrap()
}

fn told(before: &UserServiceStatus, after: &UserServiceStatus) -> Vec<(bool, String, String)> {
    transitions(Some(before), after)
        .into_iter()
        .map(|news| (news.is_warning, news.condition, news.reason))
        .collect()
}

#[test]
fn another_status_or_reason_is_news_and_another_message_is_none() {
    let rolling = status(&[("Ready", "Unknown", "RolloutInProgress", "1 of 3 pods")]);
    let further = status(&[("Ready", "Unknown", "RolloutInProgress", "2 of 3 pods")]);
    let stuck = status(&[("Ready", "False", "ProgressDeadlineExceeded", "stuck")]);
    let done = status(&[("Ready", "True", "Available", "3 of 3 pods")]);
    let news = |warns: bool, reason: &str| vec![(warns, "Ready".to_owned(), reason.to_owned())];
    assert_eq!(told(&rolling, &further), []);
    assert_eq!(
        told(&further, &stuck),
        news(true, "ProgressDeadlineExceeded")
    );
    assert_eq!(told(&stuck, &done), news(false, "Available"));
    assert_eq!(told(&done, &done), []);
}

#[test]
fn the_first_status_is_news() {
    let first = status(&[("Ready", "Unknown", "RolloutInProgress", "0 of 3 pods")]);
    assert_eq!(
        transitions(None, &first),
        [Transition {
            is_warning: false,
            condition: "Ready".into(),
            reason: "RolloutInProgress".into(),
            message: "0 of 3 pods".into(),
        }]
    );
}

#[test]
fn that_children_are_being_written_is_no_news() {
    let done = status(&[("Ready", "True", "Available", "")]);
    let writing = status(&[("Ready", "Unknown", "Applying", "")]);
    assert_eq!(told(&done, &writing), []);
}

#[test]
fn two_conditions_of_one_reason_are_told_once_and_others_each() {
    let before = status(&[]);
    let unreachable = status(&[
        ("Ready", "False", "KafkaUnreachable", "of the pods"),
        ("TopicsReady", "False", "KafkaUnreachable", "of the topics"),
        ("Paused", "True", "PausedBySpec", "for now"),
        ("StorageDurable", "False", "MemoryStorage", "is no event"),
    ]);
    assert_eq!(
        told(&before, &unreachable),
        [
            (true, "Ready".to_owned(), "KafkaUnreachable".to_owned()),
            (false, "Paused".to_owned(), "PausedBySpec".to_owned()),
        ]
    );
}

#[test]
fn a_long_message_is_cut_within_its_bound_and_between_characters() {
    let long = "ä".repeat(800);
    let after = status(&[("Ready", "False", "InvalidSpec", &long)]);
    let news = transitions(None, &after);
    let message = &news[0].message;
    assert!(
        message.len() <= 1024 && message.len() > 1000,
        "{}",
        message.len()
    );
    assert!(message.ends_with("ä …"), "{message}");
}
