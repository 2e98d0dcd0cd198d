//! The operator says who it is as the pods do. Against the bed's broker, whose addresses and certificates are in
//! `TEST_KAFKA_*`: `cargo test -p userservice-operator real_cluster -- --ignored`.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use operator_cluster::SecretData;
use operator_core::{KafkaAccess, SeenTopics};
use user_settings::{Kafka, SaslMechanism, SecurityProtocol};

use super::look;

const MECHANISMS: [SaslMechanism; 3] = [
    SaslMechanism::ScramSha512,
    SaslMechanism::ScramSha256,
    SaslMechanism::Plain,
];

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}; make integration does"))
}

/// What the bed made, in PEM; nobody trusts the `stranger`.
fn made(name: &str) -> String {
    let path = std::path::PathBuf::from(variable("TEST_KAFKA_CERTIFICATES")).join(name);
    std::fs::read_to_string(path).unwrap()
}

/// What is seen of the broker with these credentials.
async fn seen(settings: Kafka, credentials: &[(&str, String)]) -> SeenTopics {
    let mut secrets = SecretData::default();
    let data = credentials
        .iter()
        .map(|(key, value)| ((*key).to_owned(), ByteString(value.clone().into_bytes())));
    let secret = Secret {
        data: Some(data.collect()),
        ..Secret::default()
    };
    secrets.insert("users-kafka".to_owned(), secret);
    let access = KafkaAccess {
        kafka: settings,
        credentials: Some("users-kafka".to_owned()),
        topics: ["no-such-topic".to_owned()].into(),
    };
    look(access, &secrets).await.0
}

async fn by_password(mechanism: SaslMechanism, password: &str, authority: &str) -> SeenTopics {
    let settings = Kafka {
        bootstrap_servers: variable("TEST_KAFKA_TLS"),
        security_protocol: SecurityProtocol::SaslSsl,
        sasl_mechanism: mechanism,
        ..Kafka::default()
    };
    let credentials = [
        ("username", variable("TEST_KAFKA_USERNAME")),
        ("password", password.to_owned()),
        ("ca.crt", made(authority)),
    ];
    seen(settings, &credentials).await
}

async fn by_certificate(name: &str) -> SeenTopics {
    let settings = Kafka {
        bootstrap_servers: variable("TEST_KAFKA_MUTUAL_TLS"),
        security_protocol: SecurityProtocol::Ssl,
        ..Kafka::default()
    };
    let credentials = [
        ("ca.crt", made("ca.crt")),
        ("tls.crt", made(&format!("{name}.crt"))),
        ("tls.key", made(&format!("{name}.key"))),
    ];
    seen(settings, &credentials).await
}

fn is_found(seen: &SeenTopics) -> bool {
    matches!(seen, SeenTopics::Found { .. })
}

/// Why it was not reached.
fn reason(seen: SeenTopics) -> String {
    let SeenTopics::Unreachable(why) = seen else {
        panic!("{seen:?}");
    };
    for secret in ["hunter2", &variable("TEST_KAFKA_PASSWORD"), "PRIVATE KEY"] {
        assert!(!why.contains(secret), "{why}");
    }
    why.to_lowercase()
}

#[tokio::test]
#[ignore = "needs the bed's broker"]
async fn a_real_cluster_is_reached_with_a_password_and_with_a_certificate() {
    for mechanism in MECHANISMS {
        let seen = by_password(mechanism, &variable("TEST_KAFKA_PASSWORD"), "ca.crt").await;
        assert!(is_found(&seen), "{mechanism:?}: {seen:?}");
    }
    let seen = by_certificate("client").await;
    assert!(is_found(&seen), "{seen:?}");
}

#[tokio::test]
#[ignore = "needs the bed's broker"]
async fn a_real_cluster_that_refuses_a_password_is_reported_without_it() {
    for mechanism in MECHANISMS {
        let why = reason(by_password(mechanism, "hunter2-is-wrong", "ca.crt").await);
        assert!(why.contains("auth"), "{mechanism:?}: {why}");
    }
}

#[tokio::test]
#[ignore = "needs the bed's broker"]
async fn a_real_cluster_that_nobody_vouches_for_is_reported() {
    let password = variable("TEST_KAFKA_PASSWORD");
    let why = reason(by_password(SaslMechanism::Plain, &password, "stranger.crt").await);
    assert!(why.contains("certificate"), "{why}");
    let why = reason(by_certificate("stranger").await);
    assert!(!why.contains("no answer within"), "{why}");
}
