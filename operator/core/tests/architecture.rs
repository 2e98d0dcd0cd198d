//! The walls of the house: what the pure crates reach, by cargo's own account.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::Command;

/// Crates that do I/O or run it. Whoever reaches one of these is not pure.
const IO: [&str; 15] = [
    "async-std",
    "axum",
    "hyper",
    "hyper-util",
    "krafka",
    "kube",
    "kube-client",
    "kube-runtime",
    "mio",
    "mongodb",
    "rdkafka",
    "reqwest",
    "socket2",
    "tokio",
    "tonic",
];

fn reached_by(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            package,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn pure_crates_reach_no_io() {
    for package in [
        "user-domain",
        "user-application",
        "user-settings",
        "operator-api",
        "operator-core",
    ] {
        let reached = reached_by(package);
        assert!(
            reached.iter().any(|name| name == package),
            "{package}: the tree names the package itself"
        );
        let io: Vec<&String> = reached
            .iter()
            .filter(|name| IO.contains(&name.as_str()))
            .collect();
        assert!(io.is_empty(), "{package} reaches {io:?}");
    }
}

#[test]
fn the_domain_knows_no_serialisation_and_no_async() {
    let reached = reached_by("user-domain");
    for name in ["serde", "futures", "futures-core", "prost"] {
        assert!(
            !reached.iter().any(|found| found == name),
            "user-domain reaches {name}"
        );
    }
}

#[test]
fn adapters_do_not_know_each_other() {
    let adapters = [
        "user-adapter-grpc",
        "user-adapter-kafka",
        "user-adapter-memory",
        "user-adapter-mongodb",
        "user-adapter-stdout",
    ];
    for adapter in adapters {
        let reached = reached_by(adapter);
        for other in adapters.iter().filter(|other| **other != adapter) {
            assert!(
                !reached.iter().any(|name| name == other),
                "{adapter} reaches {other}"
            );
        }
    }
}
