//! The use case of creating a user.

use user_domain::{Email, User, UserId, UserName};
use uuid::Uuid;

use crate::{
    Clock, IdGenerator, RepositoryError, RequestContext, UseCaseError, UserRepository, Write,
    validate,
};

/// What a caller asks for. Its parts are valid by construction.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// What the user is called.
    pub name: UserName,
    /// How the user is reached.
    pub email: Email,
    /// By what the user is known; a new identifier if absent (AIP-133).
    pub id: Option<UserId>,
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

    /// Creates a user. One that is only tried, and for which the caller chose no identifier, has the nil one.
    ///
    /// # Errors
    /// `EmailTaken`, `UserIdTaken` if the caller chose the identifier, `RequestIdReused`, `CapacityReached`,
    /// `OutboxFull`, `Unavailable`, `Internal`.
    pub async fn execute(
        &self,
        new: NewUser,
        context: RequestContext,
    ) -> Result<User, UseCaseError> {
        let chosen = new.id;
        let (name, email) = (new.name.as_str(), new.email.as_str());
        let request = match chosen {
            None => context.key("create", &[name, email]),
            Some(id) => context.key("create", &[name, email, &id.to_string()]),
        };
        let (now, deadline) = (self.clock.now(), context.deadline);
        if context.validate_only
            && let Some(request) = request
            && let Some(earlier) = self.repository.made_by(request, deadline).await?
        {
            return Ok(earlier);
        }
        let new_id = || {
            if context.validate_only {
                return UserId::new(Uuid::nil());
            }
            self.ids.user_id()
        };
        let (user, event) = User::create(
            chosen.unwrap_or_else(new_id),
            self.ids.event_id(),
            new.name,
            new.email,
            now,
        );
        if context.validate_only {
            validate::email(&self.repository, user.email(), user.id(), now, deadline).await?;
            if chosen.is_some() {
                validate::id(&self.repository, user.id(), deadline).await?;
            }
            return Ok(user);
        }
        let write = Write {
            deadline,
            trace: context.trace,
        };
        match self.repository.create(user, event, request, write).await {
            Err(RepositoryError::IdTaken) if chosen.is_some() => Err(UseCaseError::UserIdTaken),
            result => Ok(result?),
        }
    }
}
