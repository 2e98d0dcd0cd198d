//! One page: its links, its anchors, its blocks, and what it names in code.

use std::collections::BTreeMap;

use anyhow::Result;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::{Block, read};

/// A page of the documentation.
#[derive(Debug)]
pub struct Page {
    /// Where it is, from the repository's folder.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Targets of its links and pictures, with their lines.
    pub links: Vec<(usize, String)>,
    /// What its headings are linked by.
    pub anchors: Vec<String>,
    /// Its fenced blocks.
    pub blocks: Vec<Block>,
    /// What stands in its text as code, with the line.
    pub code: Vec<(usize, String)>,
}

impl Page {
    /// A page of the repository.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &str) -> Result<Self> {
        Ok(Self::parse(path, read(path)?))
    }

    /// A page of this text.
    pub fn parse(path: &str, text: String) -> Self {
        let mut page = Self {
            path: path.to_owned(),
            text: String::new(),
            links: Vec::new(),
            anchors: Vec::new(),
            blocks: Vec::new(),
            code: Vec::new(),
        };
        let mut heading = None;
        let mut block: Option<Block> = None;
        let mut seen = BTreeMap::new();
        let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end).collect();
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            let line = ends.partition_point(|end| *end < range.start) + 1;
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let title = heading.take().unwrap_or_default();
                    page.anchors.push(anchor(&title, &mut seen));
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line, dest_url.into_string()));
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let info = match kind {
                        CodeBlockKind::Fenced(info) => info.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    block = Some(Block::new(path, line, &info));
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Text(part) => match (&mut block, &mut heading) {
                    (Some(block), _) => block.text.push_str(&part),
                    (None, Some(heading)) => heading.push_str(&part),
                    (None, None) => {}
                },
                Event::Code(part) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                    page.code.push((line, part.into_string()));
                }
                Event::InlineHtml(html) | Event::Html(html) => {
                    let named = html.split("id=\"").skip(1);
                    page.anchors.extend(
                        named
                            .filter_map(|rest| rest.split('"').next())
                            .map(str::to_owned),
                    );
                }
                _ => {}
            }
        }
        page.text = text;
        page
    }

    /// The sentence or two between the title and whatever comes next.
    pub fn opening(&self) -> &str {
        let after_title = self.text.split_once("\n\n").map_or("", |(_, rest)| rest);
        after_title.split("\n\n").next().unwrap_or_default()
    }
}

/// What a heading is linked by, on GitHub as in the site: a repeated one gets a number.
fn anchor(title: &str, seen: &mut BTreeMap<String, usize>) -> String {
    let plain: String = title
        .to_lowercase()
        .chars()
        .filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            other => other.is_alphanumeric().then_some(other),
        })
        .collect();
    let times = seen.entry(plain.clone()).or_default();
    *times += 1;
    match *times {
        1 => plain,
        more => format!("{plain}-{}", more - 1),
    }
}
