//! The settings from the process environment.

use std::env;

use user_settings::{SettingError, Settings};

/// Reads the environment. A value that is no Unicode is read with replacement characters, which no setting accepts, so
/// that it is reported like any other bad value.
pub(crate) fn from_environment() -> Result<Settings, Vec<SettingError>> {
    Settings::from_vars(env::vars_os().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    }))
}
