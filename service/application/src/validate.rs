//! What a write would run into, without writing (AIP-163).

use std::time::{Instant, SystemTime};

use user_domain::{Email, UserId};

use crate::{RepositoryError, UseCaseError, UserRepository};

/// Whether the address is nobody else's but this user's.
///
/// # Errors
/// `EmailTaken`, `Unavailable`.
pub(crate) async fn email(
    repository: &impl UserRepository,
    email: &Email,
    user: UserId,
    now: SystemTime,
    deadline: Instant,
) -> Result<(), UseCaseError> {
    match repository.holder_of(email, now, deadline).await? {
        Some(holder) if holder != user => Err(UseCaseError::EmailTaken),
        _ => Ok(()),
    }
}

/// Whether there is no user with this identifier.
///
/// # Errors
/// `UserIdTaken`, `Unavailable`.
pub(crate) async fn id(
    repository: &impl UserRepository,
    id: UserId,
    deadline: Instant,
) -> Result<(), UseCaseError> {
    match repository.get(id, deadline).await {
        Ok(_) => Err(UseCaseError::UserIdTaken),
        Err(RepositoryError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
