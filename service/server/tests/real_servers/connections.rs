//! What the running service tells about its connections.

use user_proto::user::v1::user_service_client::UserServiceClient;
use user_settings::{exit_code, metric, path};

use super::Database;
use super::process::Process;
use super::support::{connect, http_get, new_user, until};

/// The value of a sample.
fn value(metrics: &str, sample: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample));
    let value = line.unwrap_or_else(|| panic!("{sample} in {metrics}"));
    value.trim().parse().unwrap()
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn connections_to_the_database_are_counted_and_readiness_says_that_it_is_there() {
    let database = Database::new();
    database.run(&["migrate"]).await.lines();
    let mut server = Process::spawn(&database.vars());
    let (grpc, admin) = server.serving().await;
    let mut client = UserServiceClient::new(connect(grpc).await);
    client
        .create_user(new_user("Ada", "ada@example.com"))
        .await
        .unwrap();
    let connections = |state: &str| {
        let (count, label) = (metric::DB_CONNECTION_COUNT, metric::DB_CONNECTION_STATE);
        format!("{count}{{{label}=\"{state}\"}} ")
    };
    let waits = format!("{}_count ", metric::DB_CONNECTION_WAIT_TIME);
    until("all connections are idle", || async {
        let metrics = http_get(admin, path::METRICS).await;
        let pending = format!("{} ", metric::DB_CONNECTION_PENDING_REQUESTS);
        value(&metrics, &connections("idle")) >= 1.0
            && value(&metrics, &connections("used")) == 0.0
            && value(&metrics, &pending) == 0.0
    })
    .await;
    let metrics = http_get(admin, path::METRICS).await;
    assert!(value(&metrics, &waits) >= 1.0, "{metrics}");
    let timeouts = format!("{} ", metric::DB_CONNECTION_TIMEOUTS);
    assert!(value(&metrics, &timeouts) < 1.0, "{metrics}");
    let readiness = http_get(admin, path::READINESS).await;
    assert!(
        readiness.contains(r#""database":{"ready":true}"#),
        "{readiness}"
    );

    server.signal("TERM").await;
    assert_eq!(server.exit_code().await, i32::from(exit_code::OK));
    assert!(!server.log().contains("does not work"), "{}", server.log());
    database.remove().await;
}
