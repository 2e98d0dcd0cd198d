use std::{io::Write, path::PathBuf};

use anstyle::AnsiColor;
use clap::Args;
use kube::ResourceExt;
use operator_core::{Release, validate};
use serde::Serialize;

use crate::{Error, Format, Outcome, ReleaseArgs, manifest, paint};

/// Check the resources in a file by the rules of the operator; needs no cluster. The exit code is 0
/// if all are valid, 1 if not, 2 if the file cannot be read.
#[derive(Args, Clone, Debug)]
pub struct ValidateArgs {
    /// Manifest with one or more `UserService` resources; - reads standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    release: ReleaseArgs,
}

/// What was found in one document.
#[derive(Serialize)]
struct Verdict {
    /// Position in the file, from 1.
    document: usize,
    /// Name of the resource, if it could be read.
    name: Option<String>,
    valid: bool,
    violations: Vec<Broken>,
}

#[derive(Serialize)]
struct Broken {
    field: String,
    rule: String,
}

impl ValidateArgs {
    /// Prints every broken rule of every document.
    ///
    /// # Errors
    /// If the file cannot be read or the answer not be written.
    pub fn run(self) -> Result<Outcome, Error> {
        let release: Release = self.release.into();
        let verdicts: Vec<Verdict> = manifest::documents(&self.filename)?
            .into_iter()
            .enumerate()
            .map(|(index, document)| verdict(index + 1, document, &release))
            .collect();
        let mut out = anstream::stdout().lock();
        match self.output {
            Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&verdicts)?)?,
            Format::Text => {
                for verdict in &verdicts {
                    print(&mut out, verdict)?;
                }
            }
        }
        let clean = verdicts.iter().all(|verdict| verdict.valid);
        Ok(if clean {
            Outcome::Clean
        } else {
            Outcome::Found
        })
    }
}

fn verdict(
    document: usize,
    resource: Result<operator_api::UserService, manifest::Error>,
    release: &Release,
) -> Verdict {
    let (name, violations): (_, Vec<Broken>) = match resource {
        Ok(resource) => {
            let broken = validate(&resource, release).err().unwrap_or_default();
            let broken = broken.into_iter().map(|violation| Broken {
                field: violation.field.to_owned(),
                rule: violation.rule,
            });
            (Some(resource.name_any()), broken.collect())
        }
        Err(error) => {
            let broken = error.violations().into_iter();
            let broken = broken.map(|(field, rule)| Broken { field, rule });
            (error.name().map(str::to_owned), broken.collect())
        }
    };
    Verdict {
        document,
        name,
        valid: violations.is_empty(),
        violations,
    }
}

fn print(out: &mut impl Write, verdict: &Verdict) -> std::io::Result<()> {
    let name = match &verdict.name {
        Some(name) => name.clone(),
        None => format!("document {}", verdict.document),
    };
    if verdict.valid {
        return writeln!(out, "{name}: {}", paint(AnsiColor::Green, "valid"));
    }
    for Broken { field, rule } in &verdict.violations {
        writeln!(out, "{name}: {}: {rule}", paint(AnsiColor::Red, field))?;
    }
    Ok(())
}
