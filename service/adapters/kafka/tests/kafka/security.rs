//! TLS and passwords.

use user_adapter_kafka::Framing;
use user_application::testkit::new_user;
use user_application::{EventPublisher as _, PublishError};
use user_settings::event_type::USER_CREATED;
use user_settings::{SaslMechanism, SecurityProtocol};

use crate::bed::{Bed, Folder, record, variable};

fn credentials(password: &str) -> Folder {
    let authority = std::fs::read_to_string(variable("TEST_KAFKA_CA")).unwrap();
    Folder::with(&[
        ("username", &variable("TEST_KAFKA_USERNAME")),
        ("password", password),
        ("ca.crt", &authority),
    ])
}

fn secured(bed: &mut Bed, mechanism: SaslMechanism, folder: &Folder) {
    bed.settings.bootstrap_servers = variable("TEST_KAFKA_TLS");
    bed.settings.security_protocol = SecurityProtocol::SaslSsl;
    bed.settings.sasl_mechanism = mechanism;
    bed.settings.credentials_directory.clone_from(&folder.0);
}

#[tokio::test]
async fn events_go_out_over_tls_with_a_password() {
    let mut bed = Bed::new().await;
    let folder = credentials(&variable("TEST_KAFKA_PASSWORD"));
    let mechanisms = [SaslMechanism::ScramSha512, SaslMechanism::Plain];
    for mechanism in mechanisms {
        secured(&mut bed, mechanism, &folder);
        let record = record(new_user(1, "ada@example.com").1);
        let publisher = bed.publisher(Framing::Bare);
        publisher.publish(&record).await.unwrap();
    }
    bed.consume(&bed.settings.topic(USER_CREATED), mechanisms.len())
        .await;
}

#[tokio::test]
async fn a_wrong_password_is_an_outage_that_says_so_and_shows_no_password() {
    let mut bed = Bed::new().await;
    let folder = credentials("hunter2-is-wrong");
    secured(&mut bed, SaslMechanism::ScramSha512, &folder);
    let publisher = bed.publisher(Framing::Bare);
    let record = record(new_user(1, "ada@example.com").1);
    let error = publisher.publish(&record).await.unwrap_err();
    let shown = format!("{error:?} {publisher:?}");
    let PublishError::Unavailable(cause) = error else {
        panic!("{shown}");
    };
    assert!(cause.to_string().contains("Authentication"), "{cause}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!cause.to_string().contains("hunter2"), "{cause}");
}

#[tokio::test]
async fn a_server_whom_nobody_vouches_for_gets_nothing() {
    let mut bed = Bed::new().await;
    let folder = credentials(&variable("TEST_KAFKA_PASSWORD"));
    std::fs::remove_file(folder.0.join("ca.crt")).unwrap();
    secured(&mut bed, SaslMechanism::Plain, &folder);
    let record = record(new_user(1, "ada@example.com").1);
    let error = bed.publisher(Framing::Bare).publish(&record).await;
    let Err(PublishError::Unavailable(cause)) = error else {
        panic!("{error:?}");
    };
    assert!(cause.to_string().contains("SSL"), "{cause}");
}
