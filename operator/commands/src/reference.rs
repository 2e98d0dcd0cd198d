//! The reference of every field, generated from the definition that `kubectl explain` prints.

mod page;
mod shape;

use std::{fmt, io::Write as _};

use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion,
};

use page::{Page, cell, code};

/// Print the reference of every field of a `UserService`, as Markdown; needs no cluster.
#[derive(Args, Clone, Copy, Debug)]
pub struct ReferenceArgs {}

impl ReferenceArgs {
    /// Prints the page.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn run(self) -> std::io::Result<()> {
        std::io::stdout().write_all(reference(&operator_api::crd()).as_bytes())
    }
}

/// The page that `docs/reference.md` holds.
pub fn reference(crd: &CustomResourceDefinition) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, crd);
    text
}

fn write(out: &mut String, crd: &CustomResourceDefinition) -> fmt::Result {
    use fmt::Write as _;
    writeln!(out, "# Reference of the resource\n")?;
    writeln!(
        out,
        "Every field of a `{}`, from the definition itself: `make crds` writes this page, and `userservice-operator\n\
         reference` prints it. What the fields do together is in [the resource](resource.md); the cluster has the same text:\n\
         `kubectl explain {}.spec --recursive`.\n",
        crd.spec.names.kind,
        crd.spec.names.singular.as_deref().unwrap_or_default(),
    )?;
    for version in &crd.spec.versions {
        names(out, crd, version)?;
        let schema = version.schema.as_ref();
        let Some(root) = schema.and_then(|schema| schema.open_api_v3_schema.as_ref()) else {
            continue;
        };
        Page::of(root).write(out)?;
        columns(out, version)?;
    }
    Ok(())
}

fn names(
    out: &mut String,
    crd: &CustomResourceDefinition,
    version: &CustomResourceDefinitionVersion,
) -> fmt::Result {
    use fmt::Write as _;
    let names = &crd.spec.names;
    let list = |words: &Option<Vec<String>>| {
        let words: Vec<String> = words.iter().flatten().map(|word| code(word)).collect();
        words.join(", ")
    };
    writeln!(out, "| | |\n| --- | --- |")?;
    writeln!(
        out,
        "| `apiVersion` | `{}/{}` |",
        crd.spec.group, version.name
    )?;
    writeln!(out, "| `kind` | `{}` |", names.kind)?;
    writeln!(out, "| Scope | {} |", crd.spec.scope)?;
    writeln!(
        out,
        "| For `kubectl get` | `{}`, {} |",
        names.plural,
        list(&names.short_names)
    )?;
    if names.categories.is_some() {
        writeln!(out, "| Categories | {} |", list(&names.categories))?;
    }
    let selectable: Vec<String> = version
        .selectable_fields
        .iter()
        .flatten()
        .map(|field| code(field.json_path.trim_start_matches('.')))
        .collect();
    if !selectable.is_empty() {
        writeln!(
            out,
            "| For `--field-selector` | {} |",
            selectable.join(", ")
        )?;
    }
    let scale = version.subresources.as_ref();
    if let Some(scale) = scale.and_then(|subresources| subresources.scale.as_ref()) {
        writeln!(
            out,
            "| `scale` subresource | {} and {} |",
            code(scale.spec_replicas_path.trim_start_matches('.')),
            code(scale.status_replicas_path.trim_start_matches('.'))
        )?;
    }
    writeln!(out)
}

fn columns(out: &mut String, version: &CustomResourceDefinitionVersion) -> fmt::Result {
    use fmt::Write as _;
    writeln!(out, "## Columns of `kubectl get`\n")?;
    writeln!(
        out,
        "| Column | Field | Shown | Meaning |\n| --- | --- | --- | --- |"
    )?;
    for column in version.additional_printer_columns.iter().flatten() {
        let shown = match column.priority {
            Some(priority) if priority > 0 => "with `-o wide`",
            _ => "always",
        };
        writeln!(
            out,
            "| {} | {} | {shown} | {} |",
            column.name,
            cell(&code(&column.json_path)),
            cell(column.description.as_deref().unwrap_or_default())
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
