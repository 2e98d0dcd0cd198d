//! Whether a command said what the page shows, as far as that is the same each time.

use serde_json::Value;

/// The commands of a block that shows a terminal, and what it shows of their output.
pub fn shown(text: &str) -> (String, Vec<String>) {
    let (commands, output): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("$ "));
    let commands = commands
        .iter()
        .map(|line| line.trim_start_matches("$ "))
        .collect::<Vec<_>>();
    (
        commands.join("\n"),
        output.into_iter().map(str::to_owned).collect(),
    )
}

/// The first shown line that was not said, after the one before it. Spaces and what passes with time count alike.
pub fn missing<'a>(shown: &'a [String], said: &str) -> Option<&'a str> {
    let mut said = said.lines().map(lasting);
    shown
        .iter()
        .find(|line| {
            let line = lasting(line);
            !said.any(|other| other == line)
        })
        .map(String::as_str)
}

/// A line without what differs each time: ages, identifiers, versions of the build, lengths of columns.
fn lasting(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let bare = word.trim_matches(|character: char| "(),;.\"".contains(character));
        if is_age(bare) {
            "AGE"
        } else if is_hash(bare) {
            "HASH"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Such as `40s`, `3m12s`, `2d`.
fn is_age(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
        && word.ends_with(['s', 'm', 'h', 'd'])
        && word
            .chars()
            .all(|character| character.is_ascii_digit() || "smhd".contains(character))
}

/// Such as a version, which on the bed is the digest of an image, or the number of a build.
fn is_hash(word: &str) -> bool {
    let is_version =
        word.split('.').count() == 3 && word.split('.').all(|part| part.parse::<u32>().is_ok());
    is_version
        || (word.len() >= 10
            && word
                .chars()
                .all(|character| character.is_ascii_hexdigit() || character == '-'))
}

/// Whether two values have the same fields of the same types.
pub fn is_alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| is_alike(value, other)))
        }
        (Value::Array(one), Value::Array(other)) => match (one.first(), other.first()) {
            (Some(one), Some(other)) => is_alike(one, other),
            (one, other) => one.is_none() && other.is_none(),
        },
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}
