//! Manifests of the documentation, and parts of them made whole.

use anyhow::{Result, anyhow};
use serde_yaml::{Mapping, Value};

/// A manifest to be tried, and whether it is a `UserService`.
#[derive(Debug)]
pub struct Manifest {
    /// The whole of it.
    pub text: String,
    /// Whether the operator knows its rules.
    pub is_user_service: bool,
}

/// The documents of a block. Parts of a `UserService` are put where they belong.
///
/// # Errors
/// If it is no YAML.
pub fn manifests(text: &str) -> Result<Vec<Manifest>> {
    use serde::Deserialize as _;
    let mut manifests = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let Value::Mapping(fields) = Value::deserialize(document)? else {
            return Err(anyhow!("no mapping"));
        };
        let whole = whole(fields);
        manifests.push(Manifest {
            is_user_service: whole.get("kind").and_then(Value::as_str) == Some("UserService"),
            text: serde_yaml::to_string(&whole)?,
        });
    }
    Ok(manifests)
}

fn whole(fields: Mapping) -> Mapping {
    if fields.contains_key("kind") {
        return fields;
    }
    let mut whole = Mapping::new();
    whole.insert("apiVersion".into(), "usersvc.dev/v1alpha1".into());
    whole.insert("kind".into(), "UserService".into());
    if fields.contains_key("spec") {
        whole.extend(fields);
    } else {
        whole.insert("spec".into(), fields.into());
    }
    if !whole.contains_key("metadata") {
        let name = Mapping::from_iter([("name".into(), "users".into())]);
        whole.insert("metadata".into(), name.into());
    }
    whole
}
