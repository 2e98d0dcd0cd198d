//! The runbook, the reasons and the alerts: each reason and each alert has a section, each section is of one of them,
//! and the index is made from the code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{fs, path::PathBuf};

use operator_api::reason;

/// Reasons of Events alone; they stand in the file that writes them.
const OF_EVENTS: [&str; 2] = ["Malformed", "TopicsLeftBehind"];

/// What each section says, in this order.
const PARTS: [&str; 4] = ["Means", "Seen", "Do", "Heals by itself"];

const BEGIN: &str = "<!-- index:";
const END: &str = "<!-- end of the index -->";

fn path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap()
}

fn index() -> String {
    let row = |(word, meaning): (&str, &str)| {
        let anchor = word.to_lowercase();
        format!("| [`{word}`](#{anchor}) | {} |", meaning.trim())
    };
    let of_events = OF_EVENTS.map(|word| (word, "[An Event](#reasons-of-events-alone)."));
    let rows = reason::ALL.iter().copied().chain(of_events).map(row);
    let head = ["| Reason | Meaning |", "| --- | --- |"].map(str::to_owned);
    let lines: Vec<String> = head.into_iter().chain(rows).collect();
    format!("{}\n", lines.join("\n"))
}

#[test]
fn the_index_is_that_of_the_reasons() {
    let page = read("docs/runbook.md");
    let begin = page.find(BEGIN).unwrap();
    let begin = begin + page[begin..].find('\n').unwrap() + 1;
    let end = page.find(END).unwrap();
    let written = format!("{}\n{}\n{}", &page[..begin], index(), &page[end..]);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path("docs/runbook.md"), &written).unwrap();
    }
    assert!(
        read("docs/runbook.md") == written,
        "the index of docs/runbook.md is stale; UPDATE_GOLDEN=1 rewrites it"
    );
}

/// The names of the chart's alerts.
fn alerts(rules: &str) -> Vec<&str> {
    rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect()
}

#[test]
fn every_reason_and_alert_has_a_section_and_every_section_is_of_one() {
    let page = read("docs/runbook.md");
    let rules = read("charts/userservice-operator/files/alerts.yaml");
    let alerts = alerts(&rules);
    assert!(alerts.len() > 5, "the alerts were not found: {alerts:?}");
    let sections: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let reasons: Vec<&str> = reason::ALL
        .iter()
        .map(|(word, _)| *word)
        .chain(OF_EVENTS)
        .chain(alerts)
        .collect();
    for word in &reasons {
        let count = sections.iter().filter(|section| *section == word).count();
        assert_eq!(count, 1, "{word} has {count} sections");
    }
    for section in &sections {
        assert!(
            reasons.contains(section),
            "{section} is neither a reason nor an alert"
        );
    }
}

#[test]
fn every_section_says_what_it_means_what_is_seen_what_to_do_and_whether_waiting_helps() {
    let page = read("docs/runbook.md");
    for section in page.split("\n### ").skip(1) {
        let name = section.lines().next().unwrap();
        let mut at = 0;
        for part in PARTS {
            let found = section.find(&format!("\n- **{part}** "));
            let found = found.or_else(|| section.find(&format!("\n- **{part}**\n")));
            let found = found.unwrap_or_else(|| panic!("{name} does not say: {part}"));
            assert!(found > at, "{name}: {part} comes too early");
            at = found;
        }
    }
}

#[test]
fn the_reasons_of_events_are_written_somewhere() {
    let source = read("operator/controller/src/cluster/events.rs");
    for word in OF_EVENTS {
        assert!(
            source.contains(&format!("\"{word}\"")),
            "nothing writes {word}"
        );
    }
    let written = source.matches("reason: \"").count();
    assert_eq!(
        written,
        OF_EVENTS.len(),
        "an Event has a reason of its own that is not in the runbook"
    );
}

#[test]
fn no_reason_is_there_twice_and_each_is_one_word() {
    for (index, (word, meaning)) in reason::ALL.iter().enumerate() {
        assert!(word.chars().all(char::is_alphanumeric), "{word}");
        assert!(meaning.trim().len() > 10, "{word} has no meaning");
        let twice = reason::ALL[..index].iter().any(|(other, _)| other == word);
        assert!(!twice, "{word} is there twice");
    }
}
