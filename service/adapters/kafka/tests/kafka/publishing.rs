//! What is in the topics after events were published.

use std::collections::HashMap;

use futures::future::join_all;
use prost::Message as _;
use rdkafka::Message as _;
use user_adapter_kafka::{Framing, PerEvent, SchemaId};
use user_application::testkit::{new_user, renamed};
use user_application::{EventPublisher as _, OutboxRecord, TraceContext};
use user_proto::user::events::v1::{UserCreated, UserUpdated};
use user_settings::event_type::{USER_CREATED, USER_UPDATED};

use crate::bed::{Bed, PARTITIONS, headers, record, text};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn schema_ids() -> PerEvent<SchemaId> {
    PerEvent::from_fn(|_| SchemaId {
        number: 7,
        guid: None,
    })
}

/// The hash of Kafka's clients in Java.
fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(data.len()).unwrap();
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

/// Where a client in Java puts a record with this key.
fn partition(key: &[u8]) -> i32 {
    (murmur2(key) & i32::MAX) % PARTITIONS
}

#[test]
fn the_hash_is_that_of_kafkas_own_tests() {
    for (text, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
    }
}

#[tokio::test]
async fn an_event_arrives_in_its_frame_with_its_attributes_where_a_java_client_would_put_it() {
    let bed = Bed::new().await;
    let publisher = bed.publisher(Framing::Prefix(schema_ids()));
    let users: Vec<_> = (1..=20)
        .map(|number| new_user(number, &format!("user{number}@example.com")))
        .collect();
    let records: Vec<_> = users
        .iter()
        .map(|(_, event)| OutboxRecord {
            trace: TraceContext::parse(PARENT, Some("vendor=1")),
            ..record(event.clone())
        })
        .collect();
    for outcome in join_all(records.iter().map(|record| publisher.publish(record))).await {
        outcome.unwrap();
    }
    let mut consumed: HashMap<_, _> = bed
        .consume(&bed.settings.topic(USER_CREATED), users.len())
        .await
        .into_iter()
        .map(|record| (record.key().unwrap().to_vec(), record))
        .collect();
    for (user, event) in &users {
        let key = user.id().to_string().into_bytes();
        let record = consumed.remove(&key).expect("one record for each user");
        assert_eq!(record.partition(), partition(&key));
        let payload = record.payload().unwrap();
        assert_eq!(payload[..6], [0, 0, 0, 0, 7, 0]);
        let message = UserCreated::decode(&payload[6..]).unwrap();
        assert_eq!(message.user_id, user.id().to_string());
        assert_eq!(message.name, user.name().as_str());
        assert_eq!(message.email, user.email().as_str());
        assert_eq!(message.version, 1);
        let headers = headers(&record);
        assert_eq!(text(&headers, "ce_specversion"), "1.0");
        assert_eq!(text(&headers, "ce_id"), event.id().to_string());
        assert_eq!(text(&headers, "ce_type"), "user.created");
        assert_eq!(text(&headers, "ce_source"), user_adapter_kafka::SOURCE);
        assert_eq!(text(&headers, "ce_subject"), user.id().to_string());
        assert_eq!(text(&headers, "content-type"), "application/protobuf");
        assert_eq!(text(&headers, "traceparent"), PARENT);
        assert_eq!(text(&headers, "tracestate"), "vendor=1");
    }
}

#[tokio::test]
async fn without_a_frame_the_value_is_bare_protobuf() {
    let bed = Bed::new().await;
    let (user, created) = new_user(1, "ada@example.com");
    let (_, updated) = renamed(&user, 2);
    let updated = record(updated);
    bed.publisher(Framing::Bare)
        .publish(&record(created))
        .await
        .unwrap();
    bed.publisher(Framing::Header(schema_ids()))
        .publish(&updated)
        .await
        .unwrap();
    let created = bed.consume(&bed.settings.topic(USER_CREATED), 1).await;
    let message = UserCreated::decode(created[0].payload().unwrap()).unwrap();
    assert_eq!(message.version, 1);
    assert!(!headers(&created[0]).contains_key("__value_schema_id"));
    let updated = bed.consume(&bed.settings.topic(USER_UPDATED), 1).await;
    let message = UserUpdated::decode(updated[0].payload().unwrap()).unwrap();
    assert_eq!((message.version, message.name.as_str()), (2, "Renamed 2"));
    assert_eq!(
        headers(&updated[0])["__value_schema_id"],
        [0, 0, 0, 0, 7, 0]
    );
}
