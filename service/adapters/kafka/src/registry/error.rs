//! What goes wrong with schemas.

use std::error::Error;

/// Confluent's error code: there is no such subject.
pub(super) const NO_SUBJECT: u32 = 40401;
/// Confluent's error code: the subject has no such version.
pub(super) const NO_VERSION: u32 = 40402;
/// Confluent's error code: the subject does not have this schema.
pub(super) const NO_SCHEMA: u32 = 40403;

/// Why the schemas of this version are not at hand. None holds personal data or a credential.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The registry did not answer in time or at all, or cannot work now; to be tried again.
    #[error("the schema registry is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The schema is not there: it has to be registered before this version starts.
    #[error(
        "the schema of this version is not registered in subject {subject}; `user-service schema register` does it"
    )]
    NotRegistered {
        /// In which subject.
        subject: String,
    },
    /// The schema is not there and must not be: this version does not fit what is registered.
    #[error("the schema of this version is incompatible with subject {subject}: {reason}")]
    Incompatible {
        /// With which subject.
        subject: String,
        /// The registry's reason.
        reason: String,
    },
    /// The registry does not do it for us: wrong credentials, wrong address, read-only.
    #[error(
        "the schema registry refused the request for subject {subject} (HTTP status {status}): {message}"
    )]
    Refused {
        /// For which subject.
        subject: String,
        /// The HTTP status.
        status: u16,
        /// What it says, shortened.
        message: String,
    },
}

impl SchemaError {
    /// Whether another attempt may help without anybody doing something.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
