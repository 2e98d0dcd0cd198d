//! What can be wrong with the variables.

/// One problem with one variable. Its text names the variable, what it held and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The value cannot be read, or lies outside its bounds.
    #[error("{variable}={value:?} is not accepted: give {accepted}")]
    Invalid {
        /// Name of the variable.
        variable: String,
        /// What it held.
        value: String,
        /// What would be accepted, in words.
        accepted: String,
    },
    /// The name has our prefix, but there is no such setting. What it holds is not repeated: it may be a misnamed secret.
    #[error("{variable} is no setting: user-service --help lists them")]
    Unknown {
        /// Name of the variable.
        variable: String,
    },
    /// Two settings that are fine alone exclude each other.
    #[error("{variable}={value:?} clashes with {other}: give {accepted}")]
    Clash {
        /// Name of the variable.
        variable: String,
        /// What it holds.
        value: String,
        /// The variable it clashes with.
        other: String,
        /// What would be accepted, in words.
        accepted: String,
    },
    /// A setting that another one asks for is not there.
    #[error("{variable} is missing: {needed_by} needs it")]
    Missing {
        /// Name of the variable.
        variable: String,
        /// The setting that asks for it.
        needed_by: &'static str,
    },
}
