//! Schemas at a registry.

use std::time::Duration;

use rdkafka::Message as _;
use tokio::net::{TcpListener, TcpStream};
use user_adapter_kafka::{
    Framing, RegistryOptions, SchemaError, SchemaOutcome, SchemaRegistry, TopicNames, Topics,
};
use user_application::EventPublisher as _;
use user_application::testkit::new_user;
use user_settings::event_type::USER_CREATED;
use uuid::Uuid;

use crate::bed::{Bed, record, variable};

const OTHER: &str = r#"{"schemaType": "PROTOBUF", "schema": "syntax = \"proto3\"; package user.events.v1; message UserCreated { int32 user_id = 1; string name = 2; }"}"#;

fn registry_at(url: String) -> SchemaRegistry {
    let options = RegistryOptions {
        url,
        credentials_directory: "/nowhere".into(),
        timeout: Duration::from_secs(10),
    };
    SchemaRegistry::new(&options).unwrap()
}

fn registry() -> SchemaRegistry {
    registry_at(variable("TEST_REGISTRY_URL"))
}

fn topics() -> Topics {
    let prefix = Uuid::new_v4().simple().to_string();
    Topics::from_fn(|event_type| TopicNames {
        events: format!("test-{prefix}.{event_type}"),
        dead_letters: format!("test-{prefix}.{event_type}.dlq"),
    })
}

fn outcomes(reports: &[user_adapter_kafka::SubjectReport]) -> Vec<SchemaOutcome> {
    reports
        .iter()
        .map(|report| report.outcome.clone())
        .collect()
}

/// Something other than ours, registered the way anybody would.
async fn register_other(subject: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let url: http::Uri = variable("TEST_REGISTRY_URL").parse().unwrap();
    let authority = url.authority().unwrap();
    let mut stream = TcpStream::connect(authority.as_str()).await.unwrap();
    let request = format!(
        "POST {}/subjects/{subject}/versions HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Content-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\r\n{OTHER}",
        url.path(),
        OTHER.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn schemas_are_registered_once_and_then_found() {
    let (registry, topics) = (registry(), topics());
    let missing = registry.resolve(&topics).await.unwrap_err();
    let SchemaError::NotRegistered { subject } = &missing else {
        panic!("{missing:?}");
    };
    assert_eq!(*subject, format!("{}-value", topics.created.events));
    let checked = registry.check_all(&topics).await.unwrap();
    assert_eq!(outcomes(&checked), [const { SchemaOutcome::Compatible }; 3]);
    let registered = registry.register_all(&topics).await.unwrap();
    assert_eq!(
        outcomes(&registered),
        [const { SchemaOutcome::Registered }; 3]
    );
    let again = registry.register_all(&topics).await.unwrap();
    assert_eq!(outcomes(&again), [const { SchemaOutcome::Unchanged }; 3]);
    let ids = registry.resolve(&topics).await.unwrap();
    let found = [ids.created.number, ids.updated.number, ids.deleted.number];
    for reports in [registered, again] {
        let numbers: Vec<_> = reports.iter().filter_map(|report| report.id).collect();
        assert_eq!(numbers, found);
    }
    assert_ne!(found[0], found[1]);
    assert_ne!(found[1], found[2]);
}

#[tokio::test]
async fn a_schema_that_does_not_fit_what_is_registered_is_refused_everywhere() {
    let (registry, topics) = (registry(), topics());
    let subject = format!("{}-value", topics.created.events);
    register_other(&subject).await;
    let error = registry.resolve(&topics).await.unwrap_err();
    assert!(
        matches!(error, SchemaError::Incompatible { .. }),
        "{error:?}"
    );
    assert!(!error.is_transient());
    for reports in [
        registry.check_all(&topics).await.unwrap(),
        registry.register_all(&topics).await.unwrap(),
    ] {
        assert_eq!(
            (reports[0].subject.as_str(), reports[0].id),
            (subject.as_str(), None)
        );
        assert!(
            matches!(reports[0].outcome, SchemaOutcome::Incompatible(_)),
            "{reports:?}"
        );
    }
}

#[tokio::test]
async fn a_registry_that_goes_away_later_does_not_matter() {
    let bed = Bed::new().await;
    let topics = bed.options().topics;
    registry().register_all(&topics).await.unwrap();
    let url: http::Uri = variable("TEST_REGISTRY_URL").parse().unwrap();
    let upstream = url.authority().unwrap().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let forwarding = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&upstream).await.unwrap();
            connections.spawn(async move {
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    let registry = registry_at(format!("http://{address}{}", url.path()));
    let ids = registry.resolve(&topics).await.unwrap();
    let number = ids.created.number;
    forwarding.abort();
    let _ = forwarding.await;
    let error = registry.resolve(&topics).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let publisher = bed.publisher(Framing::Prefix(ids));
    publisher
        .publish(&record(new_user(1, "ada@example.com").1))
        .await
        .unwrap();
    let records = bed.consume(&bed.settings.topic(USER_CREATED), 1).await;
    let payload = records[0].payload().unwrap();
    assert_eq!(payload[0], 0);
    assert_eq!(payload[1..5], number.to_be_bytes());
}

#[tokio::test]
async fn an_address_that_is_no_registry_is_refused_and_not_tried_for_ever() {
    let url = variable("TEST_REGISTRY_URL");
    let registry = registry_at(format!("{url}/nowhere"));
    let error = registry.resolve(&topics()).await.unwrap_err();
    assert!(matches!(error, SchemaError::Refused { .. }), "{error:?}");
}
