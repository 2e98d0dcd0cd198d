//! `UserService` manifests in files.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use kube::{Resource, ResourceExt};
use operator_api::UserService;
use operator_core::RenderError;
use serde::Deserialize;
use serde_yaml::Value;

/// Why a manifest could not be used. Each names the file, and the resource where there is one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_yaml::Error,
    },
    /// A field has another type than is accepted.
    #[error("{}: {name}: {field}: {rule}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Name of the resource.
        name: String,
        /// Path of the field.
        field: String,
        /// What would be accepted.
        rule: String,
    },
    /// There is nothing in it.
    #[error("{}: holds no UserService", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Something else is in it.
    #[error("{}: expected apiVersion {} and kind {}, found {found}", path.display(), UserService::api_version(&()), UserService::kind(&()))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// It has fields that no `UserService` has.
    #[error("{}: {name}: unknown fields: {}", path.display(), listed(fields))]
    UnknownFields {
        /// The file.
        path: PathBuf,
        /// Name of the resource.
        name: String,
        /// Paths of the fields.
        fields: Vec<String>,
    },
    /// Its children cannot be computed.
    #[error("{}: {name}: {source}", path.display())]
    Render {
        /// The file.
        path: PathBuf,
        /// Name of the resource.
        name: String,
        /// Why not.
        source: RenderError,
    },
}

impl Error {
    /// Name of the resource, if it got so far.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Field { name, .. }
            | Self::UnknownFields { name, .. }
            | Self::Render { name, .. } => Some(name),
            Self::Read { .. } | Self::Parse { .. } | Self::Empty { .. } | Self::Foreign { .. } => {
                None
            }
        }
    }

    /// Fields and what would be accepted.
    pub(crate) fn violations(&self) -> Vec<(String, String)> {
        match self {
            Self::Field { field, rule, .. } => vec![(field.clone(), rule.clone())],
            Self::UnknownFields { fields, .. } => fields
                .iter()
                .map(|field| (field.clone(), unknown(field)))
                .collect(),
            Self::Foreign { found, .. } => {
                let (version, kind) = (UserService::api_version(&()), UserService::kind(&()));
                let rule = format!("must be {version} {kind}, found {found}");
                vec![("apiVersion, kind".to_owned(), rule)]
            }
            other => vec![("manifest".to_owned(), other.to_string())],
        }
    }
}

/// Every resource of the file.
pub(crate) fn read(path: &Path) -> Result<Vec<UserService>, Error> {
    documents(path)?.into_iter().collect()
}

/// Every document of the file, those that are no valid `UserService` with what is wrong.
pub(crate) fn documents(path: &Path) -> Result<Vec<Result<UserService, Error>>, Error> {
    parsed(path, &text(path)?)
}

fn parsed(path: &Path, text: &str) -> Result<Vec<Result<UserService, Error>>, Error> {
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document).map_err(|source| Error::Parse {
            path: path.to_owned(),
            source,
        })?;
        if !value.is_null() {
            documents.push(resource(path, value));
        }
    }
    if documents.is_empty() {
        return Err(Error::Empty {
            path: path.to_owned(),
        });
    }
    Ok(documents)
}

fn text(path: &Path) -> Result<String, Error> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    }
    .map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn resource(path: &Path, mut value: Value) -> Result<UserService, Error> {
    let field = |name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.unwrap_or("nothing").to_owned()
    };
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    if api_version != UserService::api_version(&()) || kind != UserService::kind(&()) {
        return Err(Error::Foreign {
            path: path.to_owned(),
            found: format!("{api_version} {kind}"),
        });
    }
    let name = value
        .get("metadata")
        .and_then(|metadata| metadata.get("name")?.as_str())
        .unwrap_or("without a name")
        .to_owned();
    // What is checked above is no field of the Rust type and would be reported as unknown below.
    if let Some(mapping) = value.as_mapping_mut() {
        mapping.remove("apiVersion");
        mapping.remove("kind");
    }
    let mut fields = Vec::new();
    // An optional field is a step of its own on the way, written as a question mark.
    let mut note =
        |field: serde_ignored::Path<'_>| fields.push(field.to_string().replace(".?", ""));
    let deserializer = serde_ignored::Deserializer::new(value, &mut note);
    let resource: UserService =
        serde_path_to_error::deserialize(deserializer).map_err(|error| Error::Field {
            path: path.to_owned(),
            name,
            field: error.path().to_string(),
            rule: error.inner().to_string(),
        })?;
    if !fields.is_empty() {
        return Err(Error::UnknownFields {
            path: path.to_owned(),
            name: resource.name_any(),
            fields,
        });
    }
    Ok(resource)
}

fn listed(fields: &[String]) -> String {
    let listed: Vec<String> = fields
        .iter()
        .map(|field| format!("{field} ({})", unknown(field)))
        .collect();
    listed.join(", ")
}

/// What would be accepted in the place of an unknown field.
fn unknown(field: &str) -> String {
    let parent = field.rsplit_once('.').map_or("", |(parent, _)| parent);
    let accepted = accepted(parent);
    if accepted.is_empty() {
        return "is no field of a UserService".to_owned();
    }
    let place = if parent.is_empty() {
        "a UserService"
    } else {
        parent
    };
    format!("{place} has {}", accepted.join(", "))
}

/// Names of the fields that the schema has at a path.
fn accepted(path: &str) -> Vec<String> {
    let definition = serde_json::to_value(operator_api::crd()).unwrap_or_default();
    let root = definition.pointer("/spec/versions/0/schema/openAPIV3Schema");
    let schema = path
        .split('.')
        .filter(|segment| !segment.is_empty())
        .try_fold(root, |schema, segment| {
            let schema = schema?;
            let next = if segment.parse::<usize>().is_ok() {
                schema.get("items")
            } else {
                schema.get("properties")?.get(segment)
            };
            next.map(Some)
        })
        .flatten();
    schema
        .and_then(|schema| schema.get("properties")?.as_object())
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn aliases_that_multiply_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(
                &[
                    "a",
                    &level.to_string(),
                    ": &a",
                    &level.to_string(),
                    " [",
                    &below,
                    "]\n",
                ]
                .concat(),
            );
        }
        let refusal = parsed(Path::new("bomb.yaml"), &bomb).expect_err("too many items");
        assert!(
            refusal.to_string().contains("repetition limit"),
            "{refusal}"
        );
    }
}
