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

/// How long records are kept, in the largest unit of which it is a whole number.
pub fn retention(seconds: u64) -> String {
    let units = [(3600, "h"), (60, "min"), (1, "s")];
    let whole = units.iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = whole.copied().unwrap_or((1, "s"));
    format!("{} {name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_an_hour_is_no_0_hours() {
        let told = [604_800, 5400, 1800, 90].map(retention);
        assert_eq!(told, ["168 h", "90 min", "30 min", "90 s"]);
    }
}
