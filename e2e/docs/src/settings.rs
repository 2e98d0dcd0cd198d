//! The reference of the service's settings, from the table that the service itself reads them by.

use user_settings::{SettingDoc, reference};

/// Where it is.
pub const PAGE: &str = "docs/settings.md";

const OPENING: &str = "\
# Settings of the service

After this page you can set everything that the user service reads, with or without the operator. This page is written
by `make docs` from the table in [entries.rs](../service/settings/src/table/entries.rs), which the service itself reads
its environment by; `user-service --help` prints the same.

Settings are environment variables, and nothing else. A value that is not accepted, and a variable that begins with
`USERSVC_` and is no setting, stop the start, and all problems are told at once. Under the operator they come from the
[resource](resource.md#spec); it leaves those at their defaults that the resource has no field for. Secrets are never
settings: they lie in files that settings name.

| Variable | Default | Accepts | Meaning |
| --- | --- | --- | --- |
";

/// The page, whole.
pub fn page() -> String {
    let rows = reference();
    OPENING.to_owned() + &rows.iter().map(row).collect::<String>()
}

fn row(setting: &SettingDoc) -> String {
    let default = match setting.default.as_str() {
        "" => String::new(),
        default => format!("`{default}`"),
    };
    let (accepted, doc) = (accepted(&setting.accepted), cell(setting.doc));
    format!("| `{}` | {default} | {accepted} | {doc} |\n", setting.name)
}

/// Words to choose from, or what a value has to be.
fn accepted(text: &str) -> String {
    let choices: Vec<&str> = text.split(" | ").collect();
    match choices.as_slice() {
        [rule] => cell(rule),
        words => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Text of the table, with names, addresses and characters as code.
fn cell(text: &str) -> String {
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    let bare = word.trim_end_matches(['.', ',', ';', ':']);
    let rest = word.get(bare.len()..).unwrap_or_default();
    let quoted = bare
        .strip_prefix('\'')
        .and_then(|bare| bare.strip_suffix('\''));
    let is_name = bare.contains(['[', '_', '/', '%'])
        || bare.parse::<std::net::SocketAddr>().is_ok()
        || (bare.contains('.') && bare.len() > 3)
        || bare == "host:port";
    match quoted {
        Some(quoted) => format!("`{quoted}`{rest}"),
        None if is_name && !bare.contains('(') => format!("`{bare}`{rest}"),
        None => word.to_owned(),
    }
}
