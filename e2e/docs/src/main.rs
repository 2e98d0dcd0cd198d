//! Generates and checks what `make` asks for.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, bail};
use docs::{read, recording, settings, site};

const USAGE: &str = "docs settings|preprocess [supports RENDERER]|check-site FOLDER|record|picture";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    match words.as_slice() {
        ["settings"] => write!(out, "{}", settings::page())?,
        ["preprocess"] => {
            let mut input = String::new();
            std::io::stdin().read_to_string(&mut input)?;
            write!(out, "{}", site::preprocess(&input)?)?;
        }
        ["preprocess", "supports", _] => {}
        ["check-site", folder] => {
            let broken = site::broken(Path::new(folder))?;
            if !broken.is_empty() {
                bail!("{}", broken.join("\n"));
            }
        }
        ["record"] => write!(
            out,
            "{}",
            recording::record(std::io::stdin().lock(), "make demo")?
        )?,
        ["picture"] => write!(out, "{}", recording::picture(&read(recording::CAST)?)?)?,
        _ => bail!("{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}
