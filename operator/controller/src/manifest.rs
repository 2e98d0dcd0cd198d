//! `UserService` manifests in files.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use kube::{Resource, ResourceExt};
use operator_api::UserService;
use operator_core::{Release, RenderError};
use serde::Deserialize;

/// Why a manifest could not be rendered. Each names the file, and the resource where there is one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {source}", path.display())]
    Parse {
        path: PathBuf,
        source: serde_yaml::Error,
    },
    #[error("{}: holds no UserService", path.display())]
    Empty { path: PathBuf },
    #[error("{}: expected apiVersion {} and kind {}, found {found}", path.display(), UserService::api_version(&()), UserService::kind(&()))]
    Foreign { path: PathBuf, found: String },
    #[error("{}: {name}: unknown fields: {}", path.display(), fields.join(", "))]
    UnknownFields {
        path: PathBuf,
        name: String,
        fields: Vec<String>,
    },
    #[error("{}: {name}: {source}", path.display())]
    Render {
        path: PathBuf,
        name: String,
        source: RenderError,
    },
}

/// The children of every resource in the file, as one YAML stream in the order they are written in.
pub(crate) fn render(path: &Path, release: &Release) -> Result<String, Error> {
    let mut output = String::new();
    for resource in read(path)? {
        let children =
            operator_core::render(&resource, release).map_err(|source| Error::Render {
                path: path.to_owned(),
                name: resource.name_any(),
                source,
            })?;
        for child in children {
            output.push_str("---\n");
            let yaml = serde_yaml::to_string(&child.object).map_err(|source| Error::Parse {
                path: path.to_owned(),
                source,
            })?;
            output.push_str(&yaml);
        }
    }
    Ok(output)
}

fn read(path: &Path) -> Result<Vec<UserService>, Error> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    }
    .map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;

    let mut resources = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = serde_yaml::Value::deserialize(document).map_err(|source| Error::Parse {
            path: path.to_owned(),
            source,
        })?;
        if !value.is_null() {
            resources.push(resource(path, value)?);
        }
    }
    if resources.is_empty() {
        return Err(Error::Empty {
            path: path.to_owned(),
        });
    }
    Ok(resources)
}

fn resource(path: &Path, mut value: serde_yaml::Value) -> Result<UserService, Error> {
    let field = |name: &str| {
        value
            .get(name)
            .and_then(serde_yaml::Value::as_str)
            .unwrap_or("nothing")
            .to_owned()
    };
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    if api_version != UserService::api_version(&()) || kind != UserService::kind(&()) {
        return Err(Error::Foreign {
            path: path.to_owned(),
            found: format!("{api_version} {kind}"),
        });
    }
    // What is checked above is no field of the Rust type and would be reported as unknown below.
    if let Some(mapping) = value.as_mapping_mut() {
        mapping.remove("apiVersion");
        mapping.remove("kind");
    }
    let mut fields = Vec::new();
    let resource: UserService =
        serde_ignored::deserialize(value, |field| fields.push(field.to_string())).map_err(
            |source| Error::Parse {
                path: path.to_owned(),
                source,
            },
        )?;
    if !fields.is_empty() {
        return Err(Error::UnknownFields {
            path: path.to_owned(),
            name: resource.name_any(),
            fields,
        });
    }
    Ok(resource)
}
