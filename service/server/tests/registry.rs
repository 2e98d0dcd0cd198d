//! The schema registry at start-up and in commands, by one that runs in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/process.rs"]
mod process;
mod support;
#[path = "support/tls.rs"]
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use process::Process;
use support::{soon, until};
use tls::{Authority, SecretVolume};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use user_settings::exit_code;

const FOUND: &str = r#"{"id": 7}"#;

/// Knows every schema, and shows a certificate of this authority.
async fn registry(authority: &Authority) -> SocketAddr {
    let identity = authority.issue("localhost");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.der()], identity.private_key())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Who does not trust us goes away again.
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(answer(stream, "200 OK"));
            }
        }
    });
    address
}

/// Answers every request with this status.
async fn refusing(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, status));
        }
    });
    address
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{FOUND}",
        FOUND.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn a_process_that_waits_for_the_registry_takes_a_changed_authority() {
    let authority = Authority::new();
    let address = registry(&authority).await;
    let stranger = Authority::new();
    let volume = SecretVolume::new(&[("ca.crt", &stranger.certificate())]);
    let url = format!("https://localhost:{}/apis/ccompat/v7", address.port());
    let process = Process::spawn(&[
        ("USERSVC_EVENTS", "kafka"),
        // Nobody is there, which matters to events only.
        ("USERSVC_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9"),
        ("USERSVC_SCHEMA_REGISTRY_URL", &url),
        (
            "USERSVC_SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY",
            &volume.path(""),
        ),
    ]);
    until("it waits", || async {
        process.log().contains("waiting for the schema registry")
    })
    .await;
    assert!(process.log().contains("certificate"), "{}", process.log());
    volume.replace(&[("ca.crt", &authority.certificate())]);
    process.serving().await;
}

#[tokio::test]
async fn commands_whose_credentials_the_registry_refuses_end_as_with_bad_settings() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let url = format!("http://{}/apis/ccompat/v7", refusing(status).await);
        for command in ["register", "check"] {
            let done = Command::new(env!("CARGO_BIN_EXE_user-service"))
                .args(["schema", command])
                .env_clear()
                .env("USERSVC_EVENTS", "kafka")
                .env("USERSVC_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
                .env("USERSVC_SCHEMA_REGISTRY_URL", &url)
                .kill_on_drop(true)
                .output();
            let done = soon("the command", done).await.unwrap();
            let told = String::from_utf8(done.stderr).unwrap();
            let expected = Some(i32::from(exit_code::CONFIG));
            assert_eq!(done.status.code(), expected, "{command}, {status}: {told}");
        }
    }
}
