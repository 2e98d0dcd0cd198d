//! What the page about security claims: each line names tests that are there, or says that nothing is.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{fs, path::PathBuf};

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Cells of the rows of every table with these columns.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let mut rows = Vec::new();
    let mut is_threats = false;
    for line in page.lines() {
        if !line.starts_with('|') {
            is_threats = false;
        } else if line.starts_with("| Threat |") {
            is_threats = true;
        } else if is_threats && !line.starts_with("| ---") {
            let cells = line.trim_matches('|').split(" | ");
            rows.push(cells.map(str::trim).collect());
        }
    }
    rows
}

/// Tests that a cell names, each with its file: `` `test`, `other` in [file](path) ``.
fn proofs(cell: &str) -> Vec<(String, String)> {
    let mut proofs = Vec::new();
    for part in cell.split(".rs)").filter(|part| part.contains("](")) {
        let (tests, file) = part.rsplit_once("](").unwrap();
        for test in tests.split('`').skip(1).step_by(2) {
            proofs.push((test.to_owned(), format!("{file}.rs")));
        }
    }
    proofs
}

/// Whether a file has a test by this name, not just a function.
fn has_test(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else {
        return false;
    };
    let before = source[..at].trim_end_matches("async ");
    let attributes = before.lines().rev().take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with("#[") || line.starts_with("///")
    });
    let is_test = |line: &str| line.contains("test");
    attributes.into_iter().any(is_test) || before.trim_end().ends_with("proptest! {")
}

#[test]
fn every_threat_names_tests_that_are_there() {
    let page = fs::read_to_string(docs().join("security.md")).unwrap();
    let rows = rows(&page);
    let mut named = 0;
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        let proofs = proofs(row[2]);
        assert!(!proofs.is_empty(), "{}: no test is named", row[0]);
        for (test, file) in proofs {
            named += 1;
            let source = fs::read_to_string(docs().join(&file));
            let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(has_test(&source, &test), "{file} has no test {test}");
        }
    }
    assert!(
        rows.len() >= 20 && named >= 50,
        "{} threats, {named} tests",
        rows.len()
    );
}

#[test]
fn a_function_that_is_no_test_proves_nothing() {
    let source = "#[test]\nfn a() {}\n\nfn b() {}\n\n#[tokio::test]\nasync fn c() {}\n";
    assert!(has_test(source, "a") && has_test(source, "c"));
    assert!(!has_test(source, "b") && !has_test(source, "d"));
}
