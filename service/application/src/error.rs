//! Why a use case did not do what it was asked.

use user_domain::{UserId, UserStateError};

use crate::RepositoryError;

/// The errors of this layer. A driving adapter turns them into what its transport calls them, in one place.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// The caller's: another user has this e-mail address.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// The caller's: there is a user with the identifier that was asked for.
    #[error("there is a user with this identifier")]
    UserIdTaken,
    /// The caller's: there is no such user.
    #[error("there is no such user")]
    UserNotFound,
    /// The caller's: of several users this one is not there.
    #[error("there is no user {0}")]
    UserOfManyNotFound(UserId),
    /// The caller's: the user is deleted.
    #[error("the user is deleted")]
    UserDeleted,
    /// The caller's: the user is not deleted.
    #[error("the user is not deleted")]
    UserNotDeleted,
    /// The caller's: the user is at another version than the caller has seen.
    #[error("the user was changed in between")]
    Changed,
    /// Passing: the caller expected no version, but others were quicker time and again.
    #[error("others changed the user time and again")]
    Contended,
    /// The caller's: one request id for two different requests.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// The operator's: as many users as may be held.
    #[error("the storage is full")]
    CapacityReached,
    /// Passing: as many events not yet published as may be held.
    #[error("too many events are not yet published")]
    OutboxFull,
    /// Passing: the caller may try again.
    #[error("the storage is unavailable")]
    Unavailable(#[source] RepositoryError),
    /// A defect.
    #[error("internal error")]
    Internal(#[source] RepositoryError),
}

impl From<UserStateError> for UseCaseError {
    fn from(error: UserStateError) -> Self {
        match error {
            UserStateError::Deleted => Self::UserDeleted,
            UserStateError::NotDeleted => Self::UserNotDeleted,
        }
    }
}

impl From<RepositoryError> for UseCaseError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::EmailTaken => Self::EmailTaken,
            RepositoryError::NotFound => Self::UserNotFound,
            RepositoryError::Changed => Self::Changed,
            RepositoryError::RequestIdReused => Self::RequestIdReused,
            RepositoryError::Full => Self::CapacityReached,
            RepositoryError::OutboxFull => Self::OutboxFull,
            RepositoryError::Unavailable(_) => Self::Unavailable(error),
            RepositoryError::IdTaken => Self::Internal(error),
        }
    }
}
