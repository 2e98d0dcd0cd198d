//! What a user is called.

use std::fmt;
use std::sync::Arc;

use crate::text::normalise;

/// A user's name as people read it: 1 to [`UserName::MAX_CHARS`] characters, none of them a control character, no white
/// space around it, in Unicode normalisation form C.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserName(Arc<str>);

/// Why a text is no user name. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserNameError {
    /// Nothing is left after white space is removed.
    #[error("must not be empty")]
    Empty,
    /// Longer than [`UserName::MAX_CHARS`] characters.
    #[error("must have at most {} characters, has {chars}", UserName::MAX_CHARS)]
    TooLong {
        /// How many characters it has.
        chars: usize,
    },
    /// Holds a control character, such as a line break.
    #[error("must not contain control characters")]
    ControlCharacter,
}

impl UserName {
    /// Longest name, in characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 128;

    /// Normalises and judges what somebody typed.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(typed: &str) -> Result<Self, UserNameError> {
        let name = normalise(typed);
        if name.is_empty() {
            return Err(UserNameError::Empty);
        }
        let chars = name.chars().count();
        if chars > Self::MAX_CHARS {
            return Err(UserNameError::TooLong { chars });
        }
        if name.chars().any(char::is_control) {
            return Err(UserNameError::ControlCharacter);
        }
        Ok(Self(name.into()))
    }

    /// The name itself. Personal data: not for logs or metrics.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserName(redacted)")
    }
}
