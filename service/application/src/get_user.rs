//! The use case of finding a user.

use std::time::Instant;

use user_domain::{User, UserId};

use crate::{Clock, UseCaseError, UserRepository};

/// Finds users.
#[derive(Clone, Debug)]
pub struct GetUser<R, C> {
    repository: R,
    clock: C,
}

impl<R: UserRepository, C: Clock> GetUser<R, C> {
    /// The use case over these ports.
    pub const fn new(repository: R, clock: C) -> Self {
        Self { repository, clock }
    }

    /// Finds a user, also a deleted one that can come back (AIP-164).
    ///
    /// # Errors
    /// `UserNotFound`, `Unavailable`.
    pub async fn execute(&self, id: UserId, deadline: Instant) -> Result<User, UseCaseError> {
        let user = self.repository.get(id, deadline).await?;
        if user.is_purged(self.clock.now()) {
            return Err(UseCaseError::UserNotFound);
        }
        Ok(user)
    }
}
