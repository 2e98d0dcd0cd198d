//! The use case of changing a user.

use user_domain::{User, UserChange, UserId, Version};

use crate::{
    Clock, IdGenerator, RepositoryError, RequestContext, UseCaseError, UserRepository, Write,
};

/// How often a change is made anew over what somebody else wrote in between.
const ATTEMPTS: u8 = 5;

/// What a caller asks for. Its parts are valid by construction.
#[derive(Clone, Debug)]
pub struct UserUpdate {
    /// Whom to change.
    pub id: UserId,
    /// What to change.
    pub change: UserChange,
    /// The version that the caller has seen; any if absent.
    pub expected: Option<Version>,
}

/// Changes users and leaves the event in the outbox.
#[derive(Clone, Debug)]
pub struct UpdateUser<R, C, I> {
    repository: R,
    clock: C,
    ids: I,
}

impl<R: UserRepository, C: Clock, I: IdGenerator> UpdateUser<R, C, I> {
    /// The use case over these ports.
    pub const fn new(repository: R, clock: C, ids: I) -> Self {
        Self {
            repository,
            clock,
            ids,
        }
    }

    /// Changes a user. A change that leaves everything as it is stores nothing and makes no event.
    ///
    /// # Errors
    /// `UserNotFound`, `Changed` if the caller expected another version, or if others were quicker time and again;
    /// `EmailTaken`, `CapacityReached`, `Unavailable`, `Internal`.
    pub async fn execute(
        &self,
        update: UserUpdate,
        context: RequestContext,
    ) -> Result<User, UseCaseError> {
        let write = Write {
            deadline: context.deadline,
            trace: context.trace,
        };
        let mut attempt = 1;
        loop {
            let user = self.repository.get(update.id, context.deadline).await?;
            if update
                .expected
                .is_some_and(|version| version != user.version())
            {
                return Err(UseCaseError::Changed);
            }
            let change = update.change.clone();
            let Some((next, event)) = user.update(change, self.ids.event_id(), self.clock.now())
            else {
                return Ok(user);
            };
            match self.repository.update(next, event, write.clone()).await {
                Err(RepositoryError::Changed)
                    if update.expected.is_none() && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return Ok(result?),
            }
        }
    }
}
