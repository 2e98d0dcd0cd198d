//! Every command and manifest of the documentation, on the bed. `make docs-check` makes ready what this needs.
#![allow(
    clippy::print_stdout,
    reason = "what was tried, and what was not, has to be said"
)]

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use docs::{Page, SUMMARY, pages, read, recording, root, script::Run};

/// It ends by taking the operator away.
const LAST: &str = "docs/upgrade.md";
/// They make what the others find: the demo, the operator, and the resource `users` in `team-a`.
const MAKING: [&str; 3] = ["README.md", "docs/install.md", "docs/first-steps.md"];

/// The README first, then the table of contents. With `DOCS_PAGES` only those named there.
fn in_order(mut pages: Vec<Page>) -> Result<Vec<Page>> {
    let summary = Page::read(SUMMARY)?;
    let place = |path: &str| match path {
        "README.md" => 0,
        LAST => usize::MAX,
        _ => {
            let listed = summary
                .links
                .iter()
                .position(|(_, link)| path == format!("docs/{link}"));
            listed.map_or(usize::MAX - 1, |place| place + 1)
        }
    };
    pages.sort_by_key(|page| place(&page.path));
    if let Some(wanted) = env::var("DOCS_PAGES")
        .ok()
        .filter(|wanted| !wanted.is_empty())
    {
        pages.retain(|page| wanted.split_whitespace().any(|one| one == page.path));
        ensure!(
            !pages.is_empty(),
            "DOCS_PAGES={wanted}: there is no such page"
        );
    }
    Ok(pages)
}

fn bash(script: &str) -> Result<()> {
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(root())
        .output()?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{script}: {said}");
    Ok(())
}

/// The resource that the pages speak of, as the first steps make it.
fn make_users() -> Result<()> {
    bash(
        "e2e/namespace.sh team-a
        kubectl apply --server-side --force-conflicts -n team-a -f examples/userservice.yaml
        kubectl wait -n team-a userservice/users --for=condition=Ready --timeout=120s",
    )
}

/// In what the demo's commands differ from those of its recording, on the page that runs it.
fn unrecorded(page: &Page, run: &Run<'_>) -> Result<Option<String>> {
    let Some(number) = page
        .blocks
        .iter()
        .position(|block| block.text == "make demo\n")
    else {
        return Ok(None);
    };
    let lines = recording::lines(&read(recording::CAST)?)?;
    let recorded = recording::commands(lines.iter().skip(1).map(|(_, line)| line.as_str()));
    let shown = recording::commands(run.output(number).lines());
    Ok((recorded != shown)
        .then(|| format!("{}: shows {shown:?}, recorded are {recorded:?}", page.path)))
}

#[test]
#[ignore = "needs the bed with images, servers and the operator: make docs-check"]
fn every_command_and_manifest_in_the_documentation_works() -> Result<()> {
    let target = env::var("CARGO_TARGET_DIR").context("make docs-check sets CARGO_TARGET_DIR")?;
    let folder = PathBuf::from(&target).join("tmp/docs");
    let mut problems = Vec::new();
    let mut tried = 0;
    for page in in_order(pages()?)? {
        let blocks = page.blocks.iter().filter(|block| block.is_run()).count();
        if blocks == 0 {
            continue;
        }
        println!("== {}", page.path);
        if !MAKING.contains(&page.path.as_str()) {
            make_users()?;
        }
        let run = Run::prepare(&page, &folder.join(page.path.replace('/', "-")))?;
        for problem in run.problems()?.into_iter().chain(unrecorded(&page, &run)?) {
            println!("WRONG: {problem}");
            problems.push(problem);
        }
        tried += blocks;
        for block in page.blocks.iter().filter(|block| !block.is_run()) {
            println!("not run: {block}");
        }
    }
    // Once more, and short, where whoever has the end of a long log looks.
    let places: Vec<&str> = problems
        .iter()
        .filter_map(|problem| problem.lines().next())
        .collect();
    ensure!(
        problems.is_empty(),
        "the documentation is wrong in {} places: {}",
        places.len(),
        places.join(", ")
    );
    println!("docs: {tried} blocks were tried");
    Ok(())
}
