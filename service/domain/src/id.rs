//! Which user.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Identifies a user for ever. Given from outside: the domain has no source of randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

/// The text is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID such as 0192f0c1-2b3c-7d4e-8f50-617283940a1b")]
pub struct UserIdError;

impl UserId {
    /// The identifier with this value.
    pub const fn new(value: Uuid) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl FromStr for UserId {
    type Err = UserIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Of the forms the library reads, only the canonical one: an identifier has one spelling, save for case.
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(UserIdError);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| UserIdError)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}
