//! The use case of creating a user.

use user_domain::{Email, User, UserName};

use crate::{Clock, IdGenerator, RequestContext, UseCaseError, UserRepository, Write};

/// What a caller asks for. Its parts are valid by construction.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// What the user is called.
    pub name: UserName,
    /// How the user is reached.
    pub email: Email,
}

/// Creates users and leaves the event in the outbox.
#[derive(Clone, Debug)]
pub struct CreateUser<R, C, I> {
    repository: R,
    clock: C,
    ids: I,
}

impl<R: UserRepository, C: Clock, I: IdGenerator> CreateUser<R, C, I> {
    /// The use case over these ports.
    pub const fn new(repository: R, clock: C, ids: I) -> Self {
        Self {
            repository,
            clock,
            ids,
        }
    }

    /// Creates a user.
    ///
    /// # Errors
    /// `EmailTaken`, `RequestIdReused`, `CapacityReached`, `Unavailable`, `Internal`.
    pub async fn execute(
        &self,
        new: NewUser,
        context: RequestContext,
    ) -> Result<User, UseCaseError> {
        let request = context.key("create", &[new.name.as_str(), new.email.as_str()]);
        let (user, event) = User::create(
            self.ids.user_id(),
            self.ids.event_id(),
            new.name,
            new.email,
            self.clock.now(),
        );
        let write = Write {
            deadline: context.deadline,
            trace: context.trace,
        };
        Ok(self.repository.create(user, event, request, write).await?)
    }
}
