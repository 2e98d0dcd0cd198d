//! What the admin port answers, and to whom.

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

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use process::Process;
use support::{http_get, http_put};
use user_settings::path;

/// An address of this machine that others reach it by. Nothing is sent to find it out.
fn address_for_others() -> IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let route = "this test needs an interface beside loopback, with a route";
    socket
        .connect((Ipv4Addr::new(192, 0, 2, 1), 9))
        .expect(route);
    let address = socket.local_addr().unwrap().ip();
    assert!(!address.is_loopback(), "{route}");
    address
}

#[tokio::test]
async fn the_level_of_the_log_is_changed_from_loopback_alone() {
    let process = Process::spawn(&[("USERSVC_ADMIN_ADDRESS", "0.0.0.0:0")]);
    let (_, admin) = process.serving().await;
    let from_outside = SocketAddr::new(address_for_others(), admin.port());
    let from_inside = SocketAddr::from((Ipv4Addr::LOCALHOST, admin.port()));

    let refused = http_put(from_outside, path::LOG_LEVEL, "debug").await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let told = http_get(from_outside, path::LOG_LEVEL).await;
    assert!(told.ends_with("\r\n\r\ninfo\n"), "as it was: {told}");
    let changed = http_put(from_inside, path::LOG_LEVEL, "debug").await;
    assert!(changed.starts_with("HTTP/1.1 200"), "{changed}");
}
