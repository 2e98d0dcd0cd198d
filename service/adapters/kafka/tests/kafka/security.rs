//! TLS, passwords and client certificates, against the broker's listeners for them.

use std::path::PathBuf;

use user_adapter_kafka::Framing;
use user_application::testkit::new_user;
use user_application::{EventPublisher as _, PublishError};
use user_settings::event_type::USER_CREATED;
use user_settings::{SaslMechanism, SecurityProtocol};

use crate::bed::{Bed, Folder, record, variable};

const MECHANISMS: [SaslMechanism; 3] = [
    SaslMechanism::ScramSha512,
    SaslMechanism::ScramSha256,
    SaslMechanism::Plain,
];

/// What the bed made, in PEM; nobody trusts the `stranger`.
pub(crate) fn made(name: &str) -> String {
    let path = PathBuf::from(variable("TEST_KAFKA_CERTIFICATES")).join(name);
    std::fs::read_to_string(path).unwrap()
}

fn login(password: &str, authority: &str) -> Folder {
    Folder::with(&[
        ("username", &variable("TEST_KAFKA_USERNAME")),
        ("password", password),
        ("ca.crt", &made(authority)),
    ])
}

pub(crate) fn certificate(name: &str) -> Folder {
    Folder::with(&[
        ("ca.crt", &made("ca.crt")),
        ("tls.crt", &made(&format!("{name}.crt"))),
        ("tls.key", &made(&format!("{name}.key"))),
    ])
}

fn by_password(bed: &mut Bed, mechanism: SaslMechanism, folder: &Folder) {
    bed.settings.bootstrap_servers = variable("TEST_KAFKA_TLS");
    bed.settings.security_protocol = SecurityProtocol::SaslSsl;
    bed.settings.sasl_mechanism = mechanism;
    bed.settings.credentials_directory.clone_from(&folder.0);
}

pub(crate) fn by_certificate(bed: &mut Bed, folder: &Folder) {
    bed.settings.bootstrap_servers = variable("TEST_KAFKA_MUTUAL_TLS");
    bed.settings.security_protocol = SecurityProtocol::Ssl;
    bed.settings.credentials_directory.clone_from(&folder.0);
}

async fn publish(bed: &Bed) -> Result<(), PublishError> {
    let record = record(new_user(1, "ada@example.com").1);
    bed.publisher(Framing::Bare).publish(&record).await
}

/// What an outage is put down to.
async fn outage(bed: &Bed) -> String {
    let error = publish(bed).await.unwrap_err();
    let shown = format!("{error:?}");
    let PublishError::Unavailable(cause) = error else {
        panic!("{shown}");
    };
    for secret in ["hunter2", &variable("TEST_KAFKA_PASSWORD"), "PRIVATE KEY"] {
        assert!(!shown.contains(secret) && !cause.to_string().contains(secret));
    }
    cause.to_string()
}

#[tokio::test]
async fn events_go_out_over_tls_with_a_password_by_every_mechanism() {
    let mut bed = Bed::new().await;
    let folder = login(&variable("TEST_KAFKA_PASSWORD"), "ca.crt");
    for mechanism in MECHANISMS {
        by_password(&mut bed, mechanism, &folder);
        publish(&bed).await.unwrap();
    }
    bed.consume(&bed.settings.topic(USER_CREATED), MECHANISMS.len())
        .await;
}

#[tokio::test]
async fn events_go_out_over_mutual_tls() {
    let mut bed = Bed::new().await;
    let folder = certificate("client");
    by_certificate(&mut bed, &folder);
    publish(&bed).await.unwrap();
    bed.consume(&bed.settings.topic(USER_CREATED), 1).await;
}

#[tokio::test]
async fn a_wrong_password_is_an_outage_that_says_so_and_shows_no_password() {
    let folder = login("hunter2-is-wrong", "ca.crt");
    for mechanism in MECHANISMS {
        let mut bed = Bed::empty().giving_up();
        by_password(&mut bed, mechanism, &folder);
        let cause = outage(&bed).await;
        assert!(cause.contains("Authentication"), "{mechanism:?}: {cause}");
    }
}

#[tokio::test]
async fn a_server_whom_nobody_vouches_for_gets_nothing() {
    let password = variable("TEST_KAFKA_PASSWORD");
    let others = login(&password, "stranger.crt");
    let systems = login(&password, "ca.crt");
    std::fs::remove_file(systems.0.join("ca.crt")).unwrap();
    for folder in [others, systems] {
        let mut bed = Bed::empty().giving_up();
        by_password(&mut bed, SaslMechanism::Plain, &folder);
        let cause = outage(&bed).await;
        assert!(cause.contains("certificate"), "{cause}");
    }
}

#[tokio::test]
async fn a_client_whom_nobody_vouches_for_is_an_outage_that_says_so() {
    let nobody = Folder::with(&[("ca.crt", &made("ca.crt"))]);
    for folder in [certificate("stranger"), nobody] {
        let mut bed = Bed::empty().giving_up();
        by_certificate(&mut bed, &folder);
        let cause = outage(&bed).await;
        assert!(cause.contains("certificate"), "{cause}");
    }
}

#[tokio::test]
async fn an_unusable_certificate_is_refused_at_once_without_showing_the_key() {
    let mut bed = Bed::empty();
    let folder = certificate("client");
    let key = made("client.key").replace("PRIVATE", "PUBLIC");
    std::fs::write(folder.0.join("tls.key"), key).unwrap();
    by_certificate(&mut bed, &folder);
    let options = bed.options();
    let error = user_adapter_kafka::KafkaPublisher::new(&options, Framing::Bare, ()).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("ssl.key"), "{shown}");
    let line = made("client.key").lines().nth(1).unwrap().to_owned();
    assert!(!shown.contains(&line), "{shown}");
}
