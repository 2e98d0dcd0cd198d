//! Records and topics that cannot be.

use std::time::Instant;

use rdkafka::Message as _;
use user_adapter_kafka::Framing;
use user_application::testkit::new_user;
use user_application::{EventPublisher as _, PublishError};
use user_domain::{User, UserEvent, UserName};
use user_settings::event_type::USER_CREATED;

use crate::bed::{Bed, headers, record, text};

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_and_its_dead_letter_arrives() {
    let bed = Bed::empty();
    let topic = bed.settings.topic(USER_CREATED);
    let dead_letters = bed.settings.dead_letter_topic(USER_CREATED);
    bed.create(&topic, &[("max.message.bytes", "100")]).await;
    bed.create(&dead_letters, &[]).await;
    let publisher = bed.publisher(Framing::Bare);
    let (user, event) = new_user(1, "ada@example.com");
    let record = record(event);
    let error = publisher.publish(&record).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    publisher
        .publish_dead_letter(&record, &error)
        .await
        .unwrap();
    let letters = bed.consume(&dead_letters, 1).await;
    let letter = &letters[0];
    let key = user.id().to_string();
    assert_eq!(letter.key(), Some(key.as_bytes()));
    assert!(letter.payload().is_some());
    let headers = headers(letter);
    assert_eq!(text(&headers, "__connect.errors.topic"), topic);
    assert_eq!(text(&headers, "x-reason"), "refused");
    assert_eq!(text(&headers, "x-attempts"), "1");
    assert_eq!(text(&headers, "ce_type"), "user.created");
    let everything: Vec<u8> = headers.values().flatten().copied().collect();
    let everything = String::from_utf8_lossy(&everything);
    assert!(!everything.contains("User 1") && !everything.contains("ada"));
}

#[tokio::test]
async fn a_dead_letter_that_is_too_large_itself_goes_without_its_value() {
    let bed = Bed::empty();
    let dead_letters = bed.settings.dead_letter_topic(USER_CREATED);
    // The headers alone fit, and with a value that hardly compresses they do not.
    bed.create(&dead_letters, &[("max.message.bytes", "780")])
        .await;
    let publisher = bed.publisher(Framing::Bare);
    let event = incompressible();
    let record = record(event);
    let reason = PublishError::Refused("by hand".into());
    publisher
        .publish_dead_letter(&record, &reason)
        .await
        .unwrap();
    let letters = bed.consume(&dead_letters, 1).await;
    assert_eq!(letters[0].payload(), None);
    let headers = headers(&letters[0]);
    assert_eq!(text(&headers, "x-value-omitted"), "too-large");
    assert_eq!(text(&headers, "x-reason"), "refused");
}

/// With the longest name and address that there may be, of characters that follow no pattern.
pub(crate) fn incompressible() -> UserEvent {
    let mut state = 1_u32;
    let mut next = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let mut letters = |count: usize| -> String {
        let letter = |_| char::from_u32(u32::from(b'a') + next(26)).unwrap();
        (0..count).map(letter).collect()
    };
    let email = format!(
        "{}@{}.{}.{}",
        letters(64),
        letters(60),
        letters(60),
        letters(60)
    );
    let name: String = (0..128)
        .map(|_| char::from_u32(0x2_0000 + next(0xa000)).unwrap())
        .collect();
    let (user, event) = new_user(1, &email);
    let user = User::restore(
        user.id(),
        UserName::parse(&name).unwrap(),
        user.email().clone(),
        user.created_at(),
        user.updated_at(),
        user.version(),
        None,
    );
    UserEvent::restore(event.id(), event.kind(), user)
}

#[tokio::test]
async fn an_unknown_topic_is_an_outage_until_it_is_there() {
    let bed = Bed::empty().giving_up();
    let publisher = bed.publisher(Framing::Bare);
    let within = bed.options().publish_within();
    let record = record(new_user(1, "ada@example.com").1);
    for _ in 0..2 {
        let before = Instant::now();
        let error = publisher.publish(&record).await.unwrap_err();
        assert!(before.elapsed() <= within, "{:?}", before.elapsed());
        assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
    }
    bed.create_all().await;
    let before = Instant::now();
    while let Err(error) = publisher.publish(&record).await {
        assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
        assert!(before.elapsed().as_secs() < 30, "{error:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
