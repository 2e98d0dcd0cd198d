use std::{io::Write, path::PathBuf};

use clap::{Args, ValueEnum};
use kube::ResourceExt;
use operator_core::{Child, Release};
use serde_json::json;

use crate::{Error, ReleaseArgs, manifest};

/// Print the children that the operator would write for the resources in a file; needs no cluster.
#[derive(Args, Clone, Debug)]
pub struct RenderArgs {
    /// Manifest with one or more `UserService` resources; - reads standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// How the children are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Manifests,
    #[command(flatten)]
    release: ReleaseArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Manifests {
    /// A stream of documents.
    #[default]
    Yaml,
    /// One `List`.
    Json,
}

impl RenderArgs {
    /// Prints the children, in the order in which they are written.
    ///
    /// # Errors
    /// If the manifest cannot be used or the answer not be written.
    pub fn run(self) -> Result<(), Error> {
        let release: Release = self.release.into();
        let mut children = Vec::new();
        for resource in manifest::read(&self.filename)? {
            let rendered = operator_core::render(&resource, &release).map_err(|source| {
                manifest::Error::Render {
                    path: self.filename.clone(),
                    name: resource.name_any(),
                    source,
                }
            })?;
            children.extend(rendered);
        }
        let text = match self.output {
            Manifests::Yaml => yaml(&children)?,
            Manifests::Json => {
                let items: Vec<_> = children.iter().map(|child| &child.object).collect();
                let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
                format!("{list:#}\n")
            }
        };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}

fn yaml(children: &[Child]) -> Result<String, Error> {
    let mut text = String::new();
    for child in children {
        text.push_str("---\n");
        text.push_str(&serde_yaml::to_string(&child.object)?);
    }
    Ok(text)
}
