//! The use cases of deleting a user and of bringing it back (AIP-164).

use std::time::Duration;

use user_domain::{User, UserStateError};

use crate::change::{Changes, Target};
use crate::{Clock, IdGenerator, RepositoryError, RequestContext, UseCaseError, UserRepository};

/// What a caller asks for.
#[derive(Clone, Copy, Debug)]
pub struct UserDeletion {
    /// Whom to delete.
    pub target: Target,
    /// Whether a user that is not there, or deleted already, counts as deleted.
    pub allow_missing: bool,
}

/// Deletes users, so that they can come back for a while, and leaves the event in the outbox.
#[derive(Clone, Debug)]
pub struct DeleteUser<R, C, I> {
    changes: Changes<R, C, I>,
    purge_delay: Duration,
}

impl<R: UserRepository, C: Clock, I: IdGenerator> DeleteUser<R, C, I> {
    /// The use case over these ports; a deleted user can come back for `purge_delay`.
    pub const fn new(repository: R, clock: C, ids: I, purge_delay: Duration) -> Self {
        Self {
            changes: Changes {
                repository,
                clock,
                ids,
            },
            purge_delay,
        }
    }

    /// Deletes a user. Answers it as it is stored; nothing if there is none and that is allowed.
    ///
    /// # Errors
    /// `UserNotFound`, also if it is deleted already; `Changed` if the caller expected another version, `Contended` if
    /// it expected none and others were quicker time and again; `OutboxFull`, `Unavailable`, `Internal`.
    pub async fn execute(
        &self,
        deletion: UserDeletion,
        context: RequestContext,
    ) -> Result<Option<User>, UseCaseError> {
        let deadline = context.deadline;
        let deleted = self
            .changes
            .change(deletion.target, context, |user, event, now| {
                match user.delete(self.purge_delay, event, now) {
                    Ok(next) => Ok(Some(next)),
                    Err(UserStateError::Deleted) => Err(UseCaseError::UserNotFound),
                    Err(error) => Err(error.into()),
                }
            })
            .await;
        if !matches!(deleted, Err(UseCaseError::UserNotFound)) || !deletion.allow_missing {
            return deleted.map(Some);
        }
        let Changes {
            repository, clock, ..
        } = &self.changes;
        match repository.get(deletion.target.id, deadline).await {
            Ok(user) => Ok(Some(user).filter(|user| !user.is_purged(clock.now()))),
            Err(RepositoryError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Brings deleted users back and leaves the event in the outbox.
#[derive(Clone, Debug)]
pub struct UndeleteUser<R, C, I> {
    changes: Changes<R, C, I>,
}

impl<R: UserRepository, C: Clock, I: IdGenerator> UndeleteUser<R, C, I> {
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

    /// Brings a user back as it was.
    ///
    /// # Errors
    /// `UserNotFound`, also once its time has come; `UserNotDeleted`, `Changed` and `Contended` as for a deletion,
    /// `OutboxFull`, `Unavailable`, `Internal`.
    pub async fn execute(
        &self,
        target: Target,
        context: RequestContext,
    ) -> Result<User, UseCaseError> {
        self.changes
            .change(target, context, |user, event, now| {
                Ok(Some(user.undelete(event, now)?))
            })
            .await
    }
}
