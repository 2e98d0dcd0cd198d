//! What a write would run into, without writing (AIP-163).

use std::num::NonZeroUsize;
use std::time::{Instant, SystemTime};

use user_domain::{Email, UserId};

use crate::{Listing, Order, RepositoryError, UseCaseError, UserFilter, UserRepository};

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
    let listing = Listing {
        filter: UserFilter {
            email: Some(email.clone()),
            show_deleted: true,
            ..UserFilter::default()
        },
        order: Order::default(),
        after: None,
        limit: NonZeroUsize::MIN,
    };
    let found = repository.list(listing, now, deadline).await?;
    if found.iter().any(|other| other.id() != user) {
        return Err(UseCaseError::EmailTaken);
    }
    Ok(())
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
