//! Text for people, with colour where a terminal takes it, and JSON for programs.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `text` in this colour. [`anstream`] takes the colour away again where the output is no terminal
/// or `NO_COLOR` is set.
pub fn paint(color: AnsiColor, text: impl Display) -> String {
    styled(color.on_default(), text)
}

/// `text` where the eye need not stop.
pub fn dim(text: impl Display) -> String {
    styled(Style::new().dimmed(), text)
}

fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
