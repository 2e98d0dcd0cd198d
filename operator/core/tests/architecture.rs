//! The walls of the house: what the pure crates reach, by cargo's own account.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
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

/// The Rust sources of a folder and of those below it, without tests and fuzz targets, which come from outside.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") && !path.ends_with("fuzz") {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_version_of_the_api_is_known_in_one_place_so_that_another_one_touches_nothing_else() {
    let service = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../service");
    let place = service.join("adapters/grpc/src/v1");
    // In full, or where it is imported by a list or another name.
    let names = [
        "user::v1",
        "user_proto::user::{",
        "user_proto::user as",
        "user_proto::user;",
    ];
    let knows = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        names.iter().any(|name| text.contains(name))
    };
    let (within, elsewhere): (Vec<PathBuf>, Vec<PathBuf>) = sources(&service)
        .into_iter()
        .filter(knows)
        .partition(|path| path.starts_with(&place));
    assert!(!within.is_empty(), "{} does not know it", place.display());
    assert!(elsewhere.is_empty(), "{elsewhere:?} know it too");
}
