//! Secrets from files, as a mounted Secret holds them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::ConfigError;

/// Who we are.
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: SecretString,
}

/// User name and password, if there is a file for either; then both have to be there.
pub(crate) fn login(directory: &Path) -> Result<Option<Login>, ConfigError> {
    if existing(directory, "username")?.is_none() && existing(directory, "password")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Login {
        username: line(directory, "username")?,
        password: line(directory, "password")?.into(),
    }))
}

/// The path of a file, if it is there.
pub(crate) fn existing(directory: &Path, name: &str) -> Result<Option<PathBuf>, ConfigError> {
    let path = directory.join(name);
    match path.metadata() {
        Ok(_) => Ok(Some(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::File { path, source }),
    }
}

/// The path of a file that has to be there.
pub(crate) fn required(directory: &Path, name: &str) -> Result<PathBuf, ConfigError> {
    existing(directory, name)?.ok_or_else(|| ConfigError::File {
        path: directory.join(name),
        source: ErrorKind::NotFound.into(),
    })
}

/// What a file holds, without the line end that editors leave behind it.
fn line(directory: &Path, name: &str) -> Result<String, ConfigError> {
    let path = directory.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(source) => Err(ConfigError::File { path, source }),
    }
}
