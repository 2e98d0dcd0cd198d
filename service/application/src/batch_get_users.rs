//! The use case of finding several users at once.

use std::collections::HashMap;
use std::time::Instant;

use user_domain::{User, UserId};

use crate::{Clock, UseCaseError, UserRepository};

/// Finds several users at once.
#[derive(Clone, Debug)]
pub struct BatchGetUsers<R, C> {
    repository: R,
    clock: C,
}

impl<R: UserRepository, C: Clock> BatchGetUsers<R, C> {
    /// The use case over these ports.
    pub const fn new(repository: R, clock: C) -> Self {
        Self { repository, clock }
    }

    /// Finds these users, in this order, also deleted ones that can come back (AIP-164): all of them, or none.
    ///
    /// # Errors
    /// `UserOfManyNotFound` with the first that is not there, `Unavailable`.
    pub async fn execute(
        &self,
        ids: &[UserId],
        deadline: Instant,
    ) -> Result<Vec<User>, UseCaseError> {
        let found = self.repository.get_many(ids, deadline).await?;
        let now = self.clock.now();
        let found: HashMap<UserId, User> = found
            .into_iter()
            .filter(|user| !user.is_purged(now))
            .map(|user| (user.id(), user))
            .collect();
        ids.iter()
            .map(|id| {
                let user = found.get(id).cloned();
                user.ok_or(UseCaseError::UserOfManyNotFound(*id))
            })
            .collect()
    }
}
