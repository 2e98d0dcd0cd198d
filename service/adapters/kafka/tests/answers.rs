//! What is made of the answers of a schema registry, by a server in this process that answers anything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use user_adapter_kafka::{
    ConfigError, RegistryOptions, SchemaError, SchemaOutcome, SchemaRegistry, TopicNames, Topics,
};

/// Nothing that is answered takes longer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Answers the requests in turn, on one connection each, and passes on what they were; then it answers no more.
async fn server(answers: &[(u16, &str)]) -> (RegistryOptions, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base/", listener.local_addr().unwrap());
    let answers: Vec<_> = answers
        .iter()
        .map(|(status, body)| {
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        })
        .collect();
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            // Not every test wants to know.
            let _ = sender.send(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
        drop(listener);
    });
    let options = RegistryOptions {
        url,
        credentials_directory: "/nowhere".into(),
        timeout: TIMEOUT,
    };
    (options, requests)
}

fn topics() -> Topics {
    Topics::from_fn(|event_type| TopicNames {
        events: event_type.to_owned(),
        dead_letters: format!("{event_type}.dlq"),
    })
}

/// What comes of looking the schemas up when the registry answers this, and leaves what is left unanswered for so long.
async fn resolved_within(timeout: Duration, answers: &[(u16, &str)]) -> SchemaError {
    let (options, _) = server(answers).await;
    let options = RegistryOptions { timeout, ..options };
    let registry = SchemaRegistry::new(&options).unwrap();
    registry.resolve(&topics()).await.unwrap_err()
}

async fn resolved(answers: &[(u16, &str)]) -> SchemaError {
    resolved_within(TIMEOUT, answers).await
}

#[tokio::test]
async fn requests_carry_the_schema_and_the_credentials_from_files() {
    let directory = std::env::temp_dir().join(format!("answers-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("username"), "users\n").unwrap();
    std::fs::write(directory.join("password"), "hunter2\n").unwrap();
    let (options, mut requests) = server(&[
        (200, r#"{"id": 1}"#),
        (200, r#"{"id": 2}"#),
        (200, r#"{"id": 3}"#),
    ])
    .await;
    let options = RegistryOptions {
        credentials_directory: directory.clone(),
        ..options
    };
    let registry = SchemaRegistry::new(&options).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    let ids = registry.resolve(&topics()).await.unwrap();
    let numbers = [ids.created.number, ids.updated.number, ids.deleted.number];
    assert_eq!(numbers, [1, 2, 3]);
    let request = requests.recv().await.unwrap();
    assert!(
        request.starts_with("POST /base/subjects/user.created-value?"),
        "{request}"
    );
    // users:hunter2
    assert!(
        request.contains("authorization: Basic dXNlcnM6aHVudGVyMg==\r\n"),
        "{request}"
    );
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["schemaType"], "PROTOBUF");
    assert_eq!(body["schema"], user_proto::schema::USER_CREATED);
    let shown = format!("{registry:?} {options:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("dXNlcn"));
}

#[tokio::test]
async fn what_may_pass_is_an_outage() {
    for status in [429, 500, 503] {
        let error = resolved(&[(status, "{}")]).await;
        let SchemaError::Unavailable(cause) = &error else {
            panic!("{status}: {error:?}");
        };
        assert!(
            cause
                .to_string()
                .ends_with(&format!("HTTP status {status}"))
        );
    }
    let before = Instant::now();
    let silence = resolved_within(Duration::from_millis(100), &[]).await;
    assert!(silence.is_transient(), "{silence:?}");
    assert!(before.elapsed() < TIMEOUT);
}

#[tokio::test]
async fn what_will_not_pass_says_what_is_wrong() {
    let unauthorized = r#"{"error_code": 40101, "message": "who\nare you?"}"#;
    for (status, body, said) in [
        (401, unauthorized, "who are you?"),
        (404, "<html>", "HTTP status 404"),
        (200, "<html>", "not the answer of a schema registry"),
    ] {
        let error = resolved(&[(status, body)]).await;
        assert!(matches!(error, SchemaError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_told_from_one_that_must_not_be() {
    let unknown = (404, r#"{"error_code": 40403, "message": "unknown"}"#);
    let error = resolved(&[unknown, (200, r#"{"is_compatible": true}"#)]).await;
    assert!(
        matches!(error, SchemaError::NotRegistered { .. }),
        "{error:?}"
    );
    let verdict = r#"{"is_compatible": false, "messages": ["FIELD_SCALAR_KIND_CHANGED at 1"]}"#;
    let error = resolved(&[unknown, (200, verdict)]).await;
    assert_eq!(
        error.to_string(),
        "the schema of this version is incompatible with subject user.created-value: \
         FIELD_SCALAR_KIND_CHANGED at 1"
    );
}

#[tokio::test]
async fn a_conflict_at_registration_is_an_incompatible_schema() {
    let unknown = (404, r#"{"error_code": 40401, "message": "no subject"}"#);
    let compatible = (200, r#"{"is_compatible": true}"#);
    let conflict = (409, r#"{"error_code": 409, "message": "too late"}"#);
    let (options, _requests) = server(&[
        unknown,
        compatible,
        unknown,
        compatible,
        unknown,
        compatible,
        conflict,
        (200, r#"{"id": 5}"#),
        (200, r#"{"id": 6}"#),
    ])
    .await;
    let registry = SchemaRegistry::new(&options).unwrap();
    let reports = registry.register_all(&topics()).await.unwrap();
    let incompatible = SchemaOutcome::Incompatible("too late".to_owned());
    assert_eq!((reports[0].id, &reports[0].outcome), (None, &incompatible));
    assert_eq!(
        (reports[1].id, &reports[1].outcome),
        (Some(5), &SchemaOutcome::Registered)
    );
}

#[test]
fn an_address_that_cannot_be_one_is_refused_at_once() {
    for url in [
        "",
        "registry:8081",
        "ftp://registry",
        "http://a:hunter2@registry",
        "http://registry/?x=y",
    ] {
        let error = SchemaRegistry::new(&RegistryOptions {
            url: url.to_owned(),
            credentials_directory: "/nowhere".into(),
            timeout: TIMEOUT,
        })
        .unwrap_err();
        assert!(
            matches!(error, ConfigError::RegistryUrl(_)),
            "{url}: {error}"
        );
        assert!(!error.to_string().contains("hunter2"));
    }
}
