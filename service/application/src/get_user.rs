//! The use case of finding a user.

use std::time::Instant;

use user_domain::{User, UserId};

use crate::{UseCaseError, UserRepository};

/// Finds users.
#[derive(Clone, Debug)]
pub struct GetUser<R> {
    repository: R,
}

impl<R: UserRepository> GetUser<R> {
    /// The use case over this port.
    pub const fn new(repository: R) -> Self {
        Self { repository }
    }

    /// Finds a user.
    ///
    /// # Errors
    /// `UserNotFound`, `Unavailable`.
    pub async fn execute(&self, id: UserId, deadline: Instant) -> Result<User, UseCaseError> {
        Ok(self.repository.get(id, deadline).await?)
    }
}
