//! Links between pages and to files of the repository. What lies elsewhere is not asked for.

use std::path::{Component, Path, PathBuf};

use crate::{Page, root};

/// Every link that leads nowhere.
pub fn broken(pages: &[Page]) -> Vec<String> {
    let mut broken = Vec::new();
    for page in pages {
        for (line, link) in &page.links {
            if let Some(why) = problem(page, link, pages) {
                broken.push(format!("{}:{line}: {link}: {why}", page.path));
            }
        }
    }
    broken
}

/// Whether a link leaves the repository.
pub fn is_elsewhere(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

fn problem(page: &Page, link: &str, pages: &[Page]) -> Option<String> {
    if is_elsewhere(link) {
        return None;
    }
    let (path, anchor) = link
        .split_once('#')
        .map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() {
        page.path.clone()
    } else {
        let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
        plain(&folder.join(path))?
    };
    if !root().join(&target).exists() {
        return Some(format!("there is no {target}"));
    }
    let anchor = anchor?;
    match pages.iter().find(|page| page.path == target) {
        None => Some(format!("{target} is no page, so it has no anchors")),
        Some(page) if page.anchors.iter().any(|one| one == anchor) => None,
        Some(_) => Some(format!("{target} has no heading for it")),
    }
}

/// The path without steps up.
fn plain(path: &Path) -> Option<String> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain.to_str().map(str::to_owned)
}
