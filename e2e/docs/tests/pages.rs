//! What can be said of the documentation without a cluster.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use docs::{Page, SUMMARY, links, pages, read, recording, settings, site};

fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    let mut pages = pages()?;
    pages.push(Page::read(SUMMARY)?);
    none(&links::broken(&pages));
    Ok(())
}

#[test]
fn every_page_is_in_the_table_of_contents() -> Result<()> {
    none(&site::not_in_summary(&pages()?, &Page::read(SUMMARY)?));
    Ok(())
}

#[test]
fn every_block_says_how_it_is_tried() -> Result<()> {
    let languages = ["sh", "console", "yaml", "json", "go", "text"];
    let pages = pages()?;
    let blocks = pages.iter().flat_map(|page| &page.blocks);
    let problems = blocks.filter_map(|block| {
        let known = languages.contains(&block.language.as_str());
        let unknown = || {
            format!(
                "{}: {:?} is none of {languages:?}",
                block.at, block.language
            )
        };
        block.problem().or_else(|| (!known).then(unknown))
    });
    none(&problems.collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_reference_of_the_settings_is_current() -> Result<()> {
    let written = read(settings::PAGE)?;
    assert_eq!(written, settings::page(), "make docs writes it anew");
    Ok(())
}

/// Words of code that name something which is, or is not, there.
fn named<'a>(pages: &'a [Page], prefix: &'a str) -> impl Iterator<Item = (String, &'a str)> {
    pages.iter().flat_map(move |page| {
        let words = page
            .code
            .iter()
            .flat_map(|(line, code)| code.split([' ', '=', ';']).map(move |word| (line, word)));
        let ours = words.filter(move |(_, word)| word.starts_with(prefix) && *word != prefix);
        ours.map(|(line, word)| (format!("{}:{line}", page.path), word))
    })
}

#[test]
fn every_setting_that_is_named_is_one() -> Result<()> {
    let settings: BTreeSet<&str> = user_settings::reference()
        .iter()
        .map(|setting| setting.name)
        .collect();
    let pages = pages()?;
    let unknown = named(&pages, user_settings::PREFIX).filter(|(_, name)| !settings.contains(name));
    none(
        &unknown
            .map(|(at, name)| format!("{at}: {name} is no setting"))
            .collect::<Vec<_>>(),
    );
    Ok(())
}

#[test]
fn every_make_verb_that_is_named_is_one() -> Result<()> {
    let makefile = read("Makefile")?;
    let verbs: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#']))
        .filter_map(|line| line.split_once(':').map(|(verb, _)| verb))
        .collect();
    let pages = pages()?;
    let code = pages
        .iter()
        .flat_map(|page| page.code.iter().map(move |(line, code)| (page, line, code)));
    let unknown = code.filter_map(|(page, line, code)| {
        let verb = code
            .strip_prefix("make ")?
            .split(' ')
            .find(|word| !word.starts_with('-'))?;
        (!verbs.contains(verb)).then(|| format!("{}:{line}: make has no {verb}", page.path))
    });
    none(&unknown.collect::<Vec<_>>());
    Ok(())
}

/// A page names tests as the proof of what is promised, each before the file that it is in.
#[test]
fn every_test_that_is_named_as_a_proof_is_in_the_file_that_it_is_said_to_be_in() -> Result<()> {
    let promises = read("docs/promises.md")?;
    let mut problems = Vec::new();
    let mut named = 0;
    for line in promises
        .lines()
        .filter(|line| line.starts_with('|') && line.contains(".rs)"))
    {
        let cell = line
            .trim_end_matches(['|', ' '])
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        for part in cell.split(".rs)").filter(|part| part.contains("](")) {
            let (tests, file) = part.rsplit_once("](").context("a link")?;
            let file = read(&format!("docs/{file}.rs"))?;
            for test in tests.split('`').skip(1).step_by(2) {
                named += 1;
                if !file.contains(&format!("fn {test}(")) {
                    problems.push(format!("{test} is not in the file that is named for it"));
                }
            }
        }
    }
    assert!(
        named > 30,
        "the table of promises was not found: {named} tests"
    );
    none(&problems);
    Ok(())
}

#[test]
fn the_picture_of_the_demo_is_that_of_its_recording() -> Result<()> {
    let drawn = recording::picture(&read(recording::CAST)?)?;
    assert!(
        drawn == read(recording::PICTURE)?,
        "make recording makes both anew"
    );
    Ok(())
}

#[test]
fn the_recording_shows_what_the_demo_runs_and_is_short() -> Result<()> {
    let lines = recording::lines(&read(recording::CAST)?)?;
    let mut recorded = recording::commands(lines.iter().map(|(_, line)| line.as_str()));
    assert_eq!(recorded.remove(0), "make demo");
    let demo = read("e2e/demo.sh")?;
    let runs: Vec<&str> = demo
        .lines()
        .filter_map(|line| line.strip_prefix("shown "))
        .collect();
    assert_eq!(recorded, runs, "make recording makes it anew");
    assert!(
        runs.last()
            .is_some_and(|last| last.starts_with("kubectl userservice status"))
    );
    let (end, _) = lines.last().context("it has lines")?;
    assert!(*end <= 30.0, "{end} s are too long");
    Ok(())
}

#[test]
fn every_page_opens_with_what_its_reader_can_do_after_it() -> Result<()> {
    let pages = pages()?;
    let guides = pages
        .iter()
        .filter(|page| page.path.starts_with("docs/") && page.path != "docs/reference.md");
    let without =
        guides.filter(|page| !page.opening().replace('\n', " ").contains("fter this page"));
    none(
        &without
            .map(|page| format!("{}: {}", page.path, page.opening()))
            .collect::<Vec<_>>(),
    );
    Ok(())
}
