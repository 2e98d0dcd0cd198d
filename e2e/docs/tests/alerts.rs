//! The chart's alerts: what they ask for is there, and a reader finds them.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use docs::{Page, read};
use serde::Deserialize;

const RULES: &str = "charts/userservice-operator/files/alerts.yaml";
/// Where the names of metrics stand: those of the service whole, those of the operator after its prefix.
const SERVICE: &str = "service/settings/src/lib.rs";
const OPERATOR: &str = "operator/controller/src/metrics.rs";
const PREFIX: &str = "userservice_operator_";

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    annotations: Annotations,
}

#[derive(Debug, Deserialize)]
struct Annotations {
    runbook_url: String,
}

fn alerts() -> Result<Vec<Rule>> {
    let rules: Rules = serde_yaml::from_str(&read(RULES)?)?;
    let alerts: Vec<Rule> = rules
        .groups
        .into_iter()
        .flat_map(|group| group.rules)
        .collect();
    ensure!(alerts.len() > 5, "the alerts were not found: {alerts:?}");
    Ok(alerts)
}

/// The metrics of an expression: of all names in it, those with more than one word in them that no braces, brackets or
/// parentheses of labels hold.
fn metrics(expression: &str) -> BTreeSet<&str> {
    let mut rest = expression;
    let mut metrics = BTreeSet::new();
    while let Some(start) = rest.find(|first: char| first.is_ascii_alphabetic()) {
        let (before, name) = rest.split_at(start);
        let end = name
            .find(|other: char| !other.is_ascii_alphanumeric() && other != '_')
            .unwrap_or(name.len());
        let (name, after) = name.split_at(end);
        rest = match before.trim_end().chars().next_back() {
            Some('{') => after.split_once('}').map_or("", |(_, after)| after),
            _ if name == "by" => after.split_once(')').map_or("", |(_, after)| after),
            _ => {
                if name.contains('_') {
                    metrics.insert(name);
                }
                after
            }
        };
    }
    metrics
}

#[test]
fn the_metrics_of_an_expression_are_told_from_labels_and_functions() {
    let expression = r#"sum by (app_kubernetes_io_instance) (rate(a_total{one_label="a_b", c_d=~"e"}[5m])) > 0 or b_seconds"#;
    let expected = BTreeSet::from(["a_total", "b_seconds"]);
    assert_eq!(metrics(expression), expected);
}

#[test]
fn every_metric_of_an_alert_is_one_that_the_programs_have() -> Result<()> {
    let (service, operator) = (read(SERVICE)?, read(OPERATOR)?);
    let is_there = |metric: &str| match metric.strip_prefix(PREFIX) {
        Some(name) => {
            let name = name.trim_end_matches("_total").trim_end_matches("_seconds");
            operator.contains(&format!("\"{name}\""))
        }
        None => service.contains(&format!("\"{}\"", metric.trim_end_matches("_count"))),
    };
    for Rule { alert, expr, .. } in alerts()? {
        let metrics = metrics(&expr);
        ensure!(!metrics.is_empty(), "{alert} asks for nothing");
        for metric in metrics {
            ensure!(is_there(metric), "{alert}: nothing tells {metric}");
        }
    }
    Ok(())
}

#[test]
fn every_alert_is_on_the_checklist_and_leads_to_its_steps() -> Result<()> {
    let checklist = Page::read("docs/production.md")?;
    let runbook = Page::read("docs/runbook.md")?;
    for rule in alerts()? {
        let (alert, page) = (rule.alert, rule.annotations.runbook_url);
        let anchor = alert.to_lowercase();
        ensure!(
            page.ends_with(&format!("/docs/runbook.md#{anchor}")),
            "{alert}: {page}"
        );
        ensure!(runbook.anchors.contains(&anchor), "{alert} has no steps");
        let link = format!("runbook.md#{anchor}");
        ensure!(
            checklist.links.iter().any(|(_, target)| *target == link),
            "{alert} is not on the checklist"
        );
    }
    Ok(())
}
