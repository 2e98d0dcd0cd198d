use std::{io::Write, path::PathBuf};

use clap::Args;
use kube::ResourceExt;
use operator_core::{Explanation, Release, explain};

use crate::{Error, Format, ReleaseArgs, dim, manifest, retention};

/// Say in words what the operator makes of the resources in a file: pods, addresses, Secrets and
/// their keys, topics, children; needs no cluster.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Manifest with one or more `UserService` resources; - reads standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    release: ReleaseArgs,
}

impl ExplainArgs {
    /// Prints an explanation of each resource.
    ///
    /// # Errors
    /// If the manifest cannot be used or the answer not be written.
    pub fn run(self) -> Result<(), Error> {
        let release: Release = self.release.into();
        let mut explanations = Vec::new();
        for resource in manifest::read(&self.filename)? {
            let explanation =
                explain(&resource, &release).map_err(|source| manifest::Error::Render {
                    path: self.filename.clone(),
                    name: resource.name_any(),
                    source,
                })?;
            explanations.push(explanation);
        }
        let mut out = anstream::stdout().lock();
        match self.output {
            Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&explanations)?)?,
            Format::Text => {
                for explanation in &explanations {
                    print(&mut out, explanation)?;
                }
            }
        }
        Ok(())
    }
}

fn print(out: &mut impl Write, explained: &Explanation) -> std::io::Result<()> {
    let Explanation {
        name, namespace, ..
    } = explained;
    writeln!(out, "{name} in namespace {namespace}")?;
    let most = explained.max_replicas.map(|most| format!(" to {most}"));
    writeln!(
        out,
        "  {}{} pods of {}, reached at {}",
        explained.replicas,
        most.unwrap_or_default(),
        explained.image,
        explained.endpoint
    )?;
    if let Some(seconds) = explained.grace_period_seconds {
        writeln!(
            out,
            "  A pod that stops has {seconds} s to finish its calls and its events."
        )?;
    }
    writeln!(out, "  {}", explained.storage)?;
    writeln!(out, "  {}", explained.events)?;
    if !explained.secrets.is_empty() {
        writeln!(out, "Secrets, in namespace {namespace}")?;
    }
    for secret in &explained.secrets {
        let keys: Vec<String> = secret
            .keys
            .iter()
            .map(|key| format!("{} {}", key.key, dim(format_args!("({})", key.need))))
            .collect();
        writeln!(
            out,
            "  {} for {}: {}",
            secret.secret,
            secret.field,
            keys.join(", ")
        )?;
    }
    if !explained.topics.is_empty() {
        writeln!(out, "Topics, made before the pods where they are not there")?;
    }
    for topic in &explained.topics {
        let kept = retention(topic.retention_seconds);
        let fate = if topic.deleted_with_resource {
            "deleted with the resource if made for it"
        } else {
            "stays when the resource goes"
        };
        writeln!(
            out,
            "  {}: {} partitions, {} copies, kept {kept}; {fate}",
            topic.name, topic.partitions, topic.replication_factor
        )?;
    }
    writeln!(out, "Children, in the order in which they are written")?;
    for child in &explained.children {
        writeln!(
            out,
            "  {} {}: {}",
            child.kind,
            child.name,
            dim(child.purpose)
        )?;
    }
    Ok(())
}
