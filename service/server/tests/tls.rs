//! TLS on the gRPC port, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/load.rs"]
mod load;
mod support;
#[path = "support/tls.rs"]
mod tls;

use std::future::pending;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use load::Load;
use support::{InProcess, health, http_get, new_user, settings, soon, until};
use tls::{Authority, Identity, SERVER, SecretVolume, call, check, connect, handshake};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use tonic_health::pb::health_check_response::ServingStatus;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_service::{Service, Stopped};
use user_settings::{Settings, TlsMode, exit_code, health as names, metric, path};

const CLIENT: &str = "web.example";

/// A service with TLS, and the folders that its files are in.
struct Served {
    service: InProcess,
    servers: Authority,
    clients: Authority,
    own: SecretVolume,
    client_ca: SecretVolume,
    identity: Identity,
}

impl Served {
    /// Started, and ready: its files are read.
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let (servers, clients) = (Authority::new(), Authority::new());
        let identity = servers.issue(SERVER);
        let own = SecretVolume::new(&identity.files());
        let client_ca = SecretVolume::new(&[("ca.crt", &clients.certificate())]);
        let mut settings = settings();
        settings.tls.mode = TlsMode::Mutual;
        settings.tls.certificate_file = own.path("tls.crt").into();
        settings.tls.key_file = own.path("tls.key").into();
        settings.tls.client_ca_file = client_ca.path("ca.crt").into();
        change(&mut settings);
        let service = InProcess::start(&settings);
        let probes = support::connect(service.admin).await;
        until("ready", || async {
            health(&probes, names::READINESS).await == Some(ServingStatus::Serving)
        })
        .await;
        Self {
            service,
            servers,
            clients,
            own,
            client_ca,
            identity,
        }
    }

    /// A client whose certificate is from the authorities that are trusted at start.
    fn client(&self, name: &str) -> ClientConfig {
        self.servers.client(Some(&self.clients.issue(name)))
    }

    fn grpc(&self) -> SocketAddr {
        self.service.grpc
    }

    /// A series cut to whole numbers; 0 if there is none.
    async fn metric(&self, name: &str, labels: &str) -> u64 {
        let metrics = http_get(self.service.admin, path::METRICS).await;
        let series = format!("{name}{labels} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
        let whole = value.and_then(|value| value.split('.').next());
        whole.map_or(0, |whole| whole.parse().unwrap())
    }

    async fn reloads(&self, result: &str) -> u64 {
        let labels = format!("{{{}=\"{result}\"}}", metric::RESULT);
        self.metric(metric::TLS_RELOADS, &labels).await
    }

    /// The certificate that a new connection gets.
    async fn shown(&self) -> Vec<u8> {
        let stream = soon("a handshake", handshake(self.grpc(), &self.client(CLIENT)))
            .await
            .unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }
}

#[tokio::test]
async fn a_client_with_a_certificate_of_the_authorities_is_served() {
    let served = Served::start(|_| {}).await;
    let channel = connect(served.grpc(), &served.client(CLIENT))
        .await
        .unwrap();
    let created = UserServiceClient::new(channel)
        .create_user(new_user("Ada", "ada@example.com"))
        .await
        .unwrap();
    assert!(!created.into_inner().user_id.is_empty());
}

#[tokio::test]
async fn who_cannot_prove_to_be_a_client_is_refused() {
    let served = Served::start(|_| {}).await;
    let without = served.servers.client(None);
    let foreign = Authority::new().issue(CLIENT);
    let of_another_authority = served.servers.client(Some(&foreign));
    for client in [without, of_another_authority] {
        call(served.grpc(), &client).await.expect_err("is refused");
    }
    let labels = format!("{{{}=\"failed\"}}", metric::RESULT);
    until("counting", || async {
        served.metric(metric::TLS_HANDSHAKES, &labels).await >= 2
    })
    .await;
    call(served.grpc(), &served.client(CLIENT)).await.unwrap();
}

#[tokio::test]
async fn only_listed_clients_are_served() {
    let service_account = "spiffe://shop/ns/web/sa/api";
    let served = Served::start(|settings| {
        settings.tls.allowed_clients = format!("Web.example,{service_account}");
    })
    .await;
    for name in ["web.example", "WEB.example", service_account] {
        let served = call(served.grpc(), &served.client(name)).await;
        assert_eq!(served, Ok(()), "{name}");
    }
    for name in [
        "api.example",
        "a.web.example",
        "spiffe://shop/ns/web/sa/API",
    ] {
        let refused = call(served.grpc(), &served.client(name)).await;
        assert!(refused.is_err(), "{name}");
    }
}

#[tokio::test]
async fn with_server_tls_clients_need_no_certificate() {
    let served = Served::start(|settings| settings.tls.mode = TlsMode::Server).await;
    call(served.grpc(), &served.servers.client(None))
        .await
        .unwrap();
}

#[tokio::test]
async fn who_does_not_ask_for_http2_is_refused() {
    let served = Served::start(|_| {}).await;
    for protocols in [vec![], vec![b"http/1.1".to_vec()]] {
        let mut client = served.client(CLIENT);
        client.alpn_protocols = protocols;
        call(served.grpc(), &client).await.expect_err("is refused");
    }
    let plain = support::connect(served.grpc()).await;
    check(&plain).await.expect_err("is refused");
}

#[tokio::test]
async fn the_admin_port_stays_without_tls() {
    let served = Served::start(|_| {}).await;
    let expiry = served.metric(metric::TLS_CERTIFICATE_EXPIRY, "").await;
    assert!(expiry > 1_000_000_000, "{expiry}");
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_cut() {
    let served =
        Served::start(|settings| settings.tls.handshake_timeout = Duration::from_secs(1)).await;
    let begun = Instant::now();
    let mut silent = TcpStream::connect(served.grpc()).await.unwrap();
    let mut halting = TcpStream::connect(served.grpc()).await.unwrap();
    // The head of a record that is to hold a ClientHello of 512 bytes, and its first byte.
    halting.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    for stream in [&mut silent, &mut halting] {
        let end = soon("the end", stream.read(&mut [0; 1])).await;
        assert_eq!(end.unwrap_or(0), 0);
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let labels = format!("{{{}=\"timed_out\"}}", metric::RESULT);
    assert!(served.metric(metric::TLS_HANDSHAKES, &labels).await >= 2);
}

#[tokio::test]
async fn a_crowd_that_says_nothing_delays_other_clients_and_does_not_shut_them_out() {
    const HANDSHAKES_AT_A_TIME: usize = 256;
    let timeout = Duration::from_secs(2);
    let served = Served::start(|settings| settings.tls.handshake_timeout = timeout).await;
    let begun = Instant::now();
    let mut crowd = Vec::new();
    for _ in 0..HANDSHAKES_AT_A_TIME {
        crowd.push(TcpStream::connect(served.grpc()).await.unwrap());
    }
    call(served.grpc(), &served.client(CLIENT)).await.unwrap();
    assert!(begun.elapsed() >= timeout, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_handshake_under_way_does_not_hold_the_drain_up() {
    let served = Served::start(|settings| {
        settings.tls.handshake_timeout = Duration::from_mins(1);
        settings.server.drain_timeout = support::BOUND * 2;
    })
    .await;
    let silent = TcpStream::connect(served.grpc()).await.unwrap();
    // Connections are accepted in order: when a later one is answered, this one is accepted.
    call(served.grpc(), &served.client(CLIENT)).await.unwrap();
    let stopped = soon("stopping", served.service.stop()).await.unwrap();
    assert_eq!(stopped.unwrap(), Stopped::Clean);
    drop(silent);
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_old_ones_in_force() {
    let served = Served::start(|_| {}).await;
    let before = served.identity.der().to_vec();
    let other = served.servers.issue(SERVER);
    let expired = served.servers.issue_for(SERVER, 2000, 2001);
    let future = served.servers.issue_for(SERVER, 4000, 4001);
    let unusable = [
        [("tls.crt", "no certificate"), ("tls.key", &other.key)],
        [("tls.crt", &other.certificate), ("tls.key", "no key")],
        [
            ("tls.crt", &other.certificate),
            ("tls.key", &served.identity.key),
        ],
        expired.files(),
        future.files(),
    ];
    for (count, files) in (1..).zip(unusable) {
        served.own.replace(&files);
        until("a complaint", || async {
            served.reloads("failed").await >= count
        })
        .await;
        assert_eq!(
            served.metric(metric::TLS_LAST_RELOAD_SUCCESSFUL, "").await,
            0
        );
        assert_eq!(served.shown().await, before);
    }
    served.own.replace(&served.identity.files());
    until("contentment", || async {
        served.metric(metric::TLS_LAST_RELOAD_SUCCESSFUL, "").await == 1
    })
    .await;
    assert_eq!(served.reloads("completed").await, 0);
    assert_eq!(served.reloads("failed").await, 5);
}

#[tokio::test]
async fn nothing_starts_with_a_certificate_that_no_client_would_take() {
    for (from, to) in [(2000, 2001), (4000, 4001)] {
        let identity = Authority::new().issue_for(SERVER, from, to);
        let own = SecretVolume::new(&identity.files());
        let mut settings = settings();
        settings.tls.mode = TlsMode::Server;
        settings.tls.certificate_file = own.path("tls.crt").into();
        settings.tls.key_file = own.path("tls.key").into();
        let service = Service::bind(&settings).unwrap();
        let error = soon("the end", service.run(pending())).await;
        let error = error.expect_err("does not serve");
        assert_eq!(error.exit_code(), exit_code::CONFIG);
        let why = format!("valid from {from}-01-01T00:00:00Z to {to}-01-01T00:00:00Z");
        assert!(error.to_string().contains(&why), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_is_replaced_under_running_calls() {
    let served = Served::start(|_| {}).await;
    assert_eq!(served.shown().await, served.identity.der().to_vec());
    let load = Load::start(served.grpc(), served.client(CLIENT)).await;
    load.goes_on().await;
    let renewed = served.servers.issue(SERVER);
    served.own.replace(&renewed.files());
    until("the new certificate", || async {
        served.shown().await == renewed.der().to_vec()
    })
    .await;
    load.all_succeeded().await;
    assert_eq!(served.reloads("completed").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authorities_of_clients_are_replaced_under_running_calls_and_old_ones_refused() {
    let served = Served::start(|_| {}).await;
    let (old, new) = (served.client(CLIENT), Authority::new());
    let renewed = served.servers.client(Some(&new.issue(CLIENT)));
    let load = Load::start(served.grpc(), old.clone()).await;
    call(served.grpc(), &renewed)
        .await
        .expect_err("not trusted yet");

    let both = served.clients.certificate() + &new.certificate();
    served.client_ca.replace(&[("ca.crt", &both)]);
    until("both", || async { served.reloads("completed").await == 1 }).await;
    call(served.grpc(), &old).await.unwrap();
    call(served.grpc(), &renewed).await.unwrap();
    load.change(renewed.clone());

    // By it, not only connections that were about to be made by the old one.
    load.goes_on().await;
    served.client_ca.replace(&[("ca.crt", &new.certificate())]);
    until("the new one", || async {
        served.reloads("completed").await == 2
    })
    .await;
    call(served.grpc(), &old)
        .await
        .expect_err("not trusted any more");
    call(served.grpc(), &renewed).await.unwrap();
    load.all_succeeded().await;
}
