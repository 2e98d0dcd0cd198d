//! The site: what mdBook cannot do by itself.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{Page, SUMMARY, links::is_elsewhere};

/// Every page that the table of contents does not lead to, and what it leads to in vain or twice.
pub fn not_in_summary(pages: &[Page], summary: &Page) -> Vec<String> {
    let mut listed = BTreeSet::new();
    let mut problems = Vec::new();
    // A place that is kept for a page to come has no link.
    for (line, link) in summary.links.iter().filter(|(_, link)| !link.is_empty()) {
        let path = format!("docs/{link}");
        if !listed.insert(path.clone()) {
            problems.push(format!("{SUMMARY}:{line}: {link} is there twice"));
        }
        if !pages.iter().any(|page| page.path == path) {
            problems.push(format!("{SUMMARY}:{line}: there is no {path}"));
        }
    }
    let missing = pages
        .iter()
        .filter(|page| page.path.starts_with("docs/") && !listed.contains(&page.path));
    problems.extend(missing.map(|page| format!("{}: is not in {SUMMARY}", page.path)));
    problems
}

/// mdBook's book, with links that leave it led to the repository. Pages lie in one folder, so these begin by a step up.
///
/// # Errors
/// If this is not what mdBook gives its preprocessors.
pub fn preprocess(input: &str) -> Result<String> {
    let input: Value = serde_json::from_str(input)?;
    let repository = input
        .pointer("/0/config/output/html/git-repository-url")
        .and_then(Value::as_str)
        .context("book.toml has no git-repository-url")?;
    let mut book = input.get(1).context("there is no book")?.clone();
    lead_out(&mut book, &format!("]({repository}/blob/main/"));
    Ok(serde_json::to_string(&book)?)
}

fn lead_out(part: &mut Value, target: &str) {
    match part {
        Value::Array(parts) => parts.iter_mut().for_each(|part| lead_out(part, target)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "content" => {
                        *text = text.replace("](../", target);
                    }
                    other => lead_out(other, target),
                }
            }
        }
        _ => {}
    }
}

/// Every link of the built site that leads nowhere.
///
/// # Errors
/// If it cannot be read.
pub fn broken(site: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(site)? {
        let path = entry?.path();
        // The page for what is not found names what it needs from the root of the server.
        if path.extension().is_none_or(|end| end != "html") || path.ends_with("404.html") {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path)?;
        for link in targets(&text) {
            if let Some(why) = problem(site, &path, link)? {
                broken.push(format!("{}: {link}: {why}", path.display()));
            }
        }
    }
    anyhow::ensure!(seen > 1, "{}: no site", site.display());
    Ok(broken)
}

fn targets(html: &str) -> impl Iterator<Item = &str> {
    let attributes = ["href=\"", "src=\""].into_iter();
    attributes.flat_map(move |attribute| {
        html.split(attribute)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
    })
}

fn problem(site: &Path, from: &Path, link: &str) -> Result<Option<String>> {
    if is_elsewhere(link) || link.is_empty() || link.starts_with("data:") {
        return Ok(None);
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target: PathBuf = if path.is_empty() {
        from.to_owned()
    } else {
        site.join(path)
    };
    if !target.exists() {
        return Ok(Some("there is no such file".to_owned()));
    }
    if anchor.is_empty() || target.extension().is_none_or(|end| end != "html") {
        return Ok(None);
    }
    let has_it = fs::read_to_string(&target)?.contains(&format!("id=\"{anchor}\""));
    Ok((!has_it).then(|| "that page has no such heading".to_owned()))
}
