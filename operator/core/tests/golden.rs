//! Golden files: what each example becomes, whole. `UPDATE_GOLDEN=1 cargo test -p operator-core`
//! writes them anew; the diff is then read like any other change.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{fs, path::PathBuf};

use operator_api::UserService;
use operator_core::{Release, render};

fn check(example: &str) {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(here.join("../../examples").join(example)).unwrap();
    let resource: UserService = serde_yaml::from_str(&manifest).unwrap();
    let release = Release {
        repository: "registry.example/user-service".into(),
        version: "1.2.3".into(),
        ..Release::default()
    };

    let mut rendered = String::new();
    for child in render(&resource, &release).unwrap() {
        rendered.push_str("---\n");
        rendered.push_str(&serde_yaml::to_string(&child.object).unwrap());
    }

    let golden = here.join("tests/golden").join(example);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &rendered).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        rendered == expected,
        "{} is stale; UPDATE_GOLDEN=1 rewrites it. Now rendered:\n{rendered}",
        golden.display()
    );
}

#[test]
fn the_minimal_example_renders_as_recorded() {
    check("userservice.yaml");
}

#[test]
fn the_full_example_renders_as_recorded() {
    check("userservice-full.yaml");
}

#[test]
fn the_example_with_tls_renders_as_recorded() {
    check("userservice-tls.yaml");
}

#[test]
fn the_example_with_a_certificate_renders_as_recorded() {
    check("userservice-certificate.yaml");
}

#[test]
fn the_example_with_mongodb_and_kafka_renders_as_recorded() {
    check("userservice-mongodb-kafka.yaml");
}
