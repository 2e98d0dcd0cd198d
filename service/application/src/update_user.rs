//! The use case of changing a user.

use user_domain::{User, UserChange};

use crate::change::{Changes, Target};
use crate::{Clock, IdGenerator, RequestContext, UseCaseError, UserRepository};

/// What a caller asks for. Its parts are valid by construction.
#[derive(Clone, Debug)]
pub struct UserUpdate {
    /// Whom to change.
    pub target: Target,
    /// What to change.
    pub change: UserChange,
}

/// Changes users and leaves the event in the outbox.
#[derive(Clone, Debug)]
pub struct UpdateUser<R, C, I> {
    changes: Changes<R, C, I>,
}

impl<R: UserRepository, C: Clock, I: IdGenerator> UpdateUser<R, C, I> {
    /// The use case over these ports.
    pub const fn new(repository: R, clock: C, ids: I) -> Self {
        Self {
            changes: Changes {
                repository,
                clock,
                ids,
            },
        }
    }

    /// Changes a user. A change that leaves everything as it is stores nothing and makes no event.
    ///
    /// # Errors
    /// `UserNotFound`, `UserDeleted`, `Changed` if the caller expected another version, `Contended` if it expected none
    /// and others were quicker time and again; `EmailTaken`, `OutboxFull`, `Unavailable`, `Internal`.
    pub async fn execute(
        &self,
        update: UserUpdate,
        context: RequestContext,
    ) -> Result<User, UseCaseError> {
        let change = update.change;
        self.changes
            .change(update.target, context, |user, event, now| {
                Ok(user.update(change.clone(), event, now)?)
            })
            .await
    }
}
