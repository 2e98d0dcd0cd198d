//! How a user is reached.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use email_address::{EmailAddress, Options};

use crate::text::{fold_case, normalise};

/// An e-mail address, kept as typed and compared regardless of case.
///
/// Syntax is that of RFC 5321 with a domain of at least two labels, no display name and no address literal. White space
/// around it is removed, control characters are refused, and the rest is in Unicode normalisation form C. Mail hosts may
/// tell `Ada@` from `ada@`, but in practice none does and people mix them up, so both are one address here. A domain with
/// letters beyond ASCII and its ASCII form (RFC 5890) are two.
#[derive(Clone)]
pub struct Email {
    typed: Arc<str>,
    /// The same text where nothing was folded.
    key: Arc<str>,
}

/// Why a text is no e-mail address. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing is left after white space is removed.
    #[error("must not be empty")]
    Empty,
    /// Longer than [`Email::MAX_BYTES`] bytes.
    #[error("must have at most {} bytes, has {bytes}", Email::MAX_BYTES)]
    TooLong {
        /// How many bytes it has in UTF-8.
        bytes: usize,
    },
    /// Not of the form that RFC 5321 describes.
    #[error("must be an e-mail address such as ada@example.com")]
    Malformed,
}

impl Email {
    /// Longest address, in bytes of UTF-8: what RFC 5321 §4.5.3.1.3 leaves for the address in a path.
    pub const MAX_BYTES: usize = 254;

    /// Normalises and judges what somebody typed.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(typed: &str) -> Result<Self, EmailError> {
        let address = normalise(typed);
        if address.is_empty() {
            return Err(EmailError::Empty);
        }
        if address.len() > Self::MAX_BYTES {
            return Err(EmailError::TooLong {
                bytes: address.len(),
            });
        }
        // A quoted local part may hold some, which nobody means.
        if address.chars().any(char::is_control) {
            return Err(EmailError::Malformed);
        }
        let options = Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        EmailAddress::parse_with_options(&address, options).map_err(|_| EmailError::Malformed)?;
        let typed = Arc::from(&*address);
        let key = match fold_case(&address) {
            Cow::Borrowed(_) => Arc::clone(&typed),
            Cow::Owned(key) => key.into(),
        };
        Ok(Self { typed, key })
    }

    /// The address as typed. Personal data: not for logs or metrics.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// The form by which addresses are compared; what a storage puts its unique index on. Personal data as well.
    pub fn as_key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Email {}

impl PartialOrd for Email {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Email {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(redacted)")
    }
}
