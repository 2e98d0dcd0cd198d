//! The documentation, as its tests and its generators see it.

pub mod block;
pub mod links;
pub mod manifest;
pub mod output;
pub mod page;
pub mod recording;
pub mod script;
pub mod settings;
pub mod site;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub use block::{Block, Mark};
pub use page::Page;

/// The repository's folder.
pub fn root() -> PathBuf {
    // Two folders above this crate, whose place in the repository is fixed.
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Text of a file of the repository.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}

/// Every page that a user reads: the README, the documentation, and what stands beside the chart.
///
/// # Errors
/// If one cannot be read.
pub fn pages() -> Result<Vec<Page>> {
    let mut paths = vec!["README.md".to_owned()];
    paths.extend(markdown_in("docs")?);
    for chart in names_in("charts")? {
        paths.extend(markdown_in(&format!("charts/{chart}"))?);
    }
    paths
        .iter()
        .filter(|path| *path != SUMMARY)
        .map(|path| Page::read(path))
        .collect()
}

/// The table of contents: the order in which a reader goes, and in which the pages are tried.
pub const SUMMARY: &str = "docs/SUMMARY.md";

fn markdown_in(folder: &str) -> Result<Vec<String>> {
    let names = names_in(folder)?.into_iter();
    Ok(names
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"))
        .map(|name| format!("{folder}/{name}"))
        .collect())
}

fn names_in(folder: &str) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(root().join(folder)).with_context(|| folder.to_owned())?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
