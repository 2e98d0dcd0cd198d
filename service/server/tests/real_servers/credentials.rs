//! Credentials of the brokers that change while the process runs.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_settings::{event_type, exit_code, metric, path};
use uuid::Uuid;

use super::process::Process;
use super::support::{connect, http_get, new_user, until};
use super::tls::SecretVolume;
use super::variable;

/// What the bed made, in PEM; nobody trusts the `stranger`.
fn made(name: &str) -> String {
    let folder = variable("TEST_KAFKA_CERTIFICATES");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", variable("TEST_KAFKA"))
        .create()
        .unwrap()
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn a_process_whom_the_brokers_do_not_trust_publishes_once_it_is_given_another_certificate() {
    let prefix = format!("test-{}.", Uuid::new_v4().simple());
    let topic = format!("{prefix}{}", event_type::USER_CREATED);
    let options = AdminOptions::new();
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    for made in admin().create_topics([&new], &options).await.unwrap() {
        made.unwrap();
    }
    let authority = made("ca.crt");
    let files = |name: &str| [made(&format!("{name}.crt")), made(&format!("{name}.key"))];
    let [certificate, key] = files("stranger");
    let volume = SecretVolume::new(&[
        ("ca.crt", &authority),
        ("tls.crt", &certificate),
        ("tls.key", &key),
    ]);
    let mut process = Process::spawn(&[
        ("USERSVC_EVENTS", "kafka"),
        (
            "USERSVC_KAFKA_BOOTSTRAP_SERVERS",
            &variable("TEST_KAFKA_MUTUAL_TLS"),
        ),
        ("USERSVC_KAFKA_SECURITY_PROTOCOL", "SSL"),
        ("USERSVC_KAFKA_CREDENTIALS_DIRECTORY", &volume.path("")),
        ("USERSVC_KAFKA_TOPIC_PREFIX", &prefix),
        ("USERSVC_KAFKA_DELIVERY_TIMEOUT", "1s"),
        ("USERSVC_DRAIN_DELAY", "0s"),
    ]);
    let (grpc, probes) = process.serving().await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    let user = new_user("Ada", "ada@example.com");
    client.create_user(user).await.unwrap();
    let shows = async |line: String| http_get(probes, path::METRICS).await.contains(&line);
    until("it is not trusted", || {
        shows(format!(
            "\n{}{{{}=\"unavailable\"}} ",
            metric::OUTBOX_PUBLISH_FAILURES,
            metric::REASON
        ))
    })
    .await;
    assert!(shows(format!("\n{} 0\n", metric::OUTBOX_PUBLISHED)).await);

    let [certificate, key] = files("client");
    volume.replace(&[
        ("ca.crt", &authority),
        ("tls.crt", &certificate),
        ("tls.key", &key),
    ]);
    until("its event is out", || {
        shows(format!("\n{} 1\n", metric::OUTBOX_PUBLISHED))
    })
    .await;
    let reloads = "\nkafka_producer_reloads_total{result=\"completed\"} 1\n";
    until("the reload is counted", || shows(reloads.to_owned())).await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));
    admin().delete_topics(&[&topic], &options).await.unwrap();
}
