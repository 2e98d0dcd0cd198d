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
    #[error("{variable} is no setting: give one of {accepted}")]
    Unknown {
        /// Name of the variable.
        variable: String,
        /// The settings there are, comma-separated.
        accepted: String,
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
}
