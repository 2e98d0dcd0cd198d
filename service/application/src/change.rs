//! How a stored user is changed: read, decide, write over what was read.

use std::time::SystemTime;

use user_domain::{EventId, User, UserEvent, UserId, Version};

use crate::{
    Clock, IdGenerator, RepositoryError, RequestContext, UseCaseError, UserRepository, Write,
    validate,
};

/// How often a change is made anew over what somebody else wrote in between.
const ATTEMPTS: u8 = 5;

/// Whom to change.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Which user.
    pub id: UserId,
    /// The version that the caller has seen; any if absent.
    pub expected: Option<Version>,
}

/// What came of a decision: the next version of a user with its event; nothing if all stays as it is.
pub(crate) type Decision = Result<Option<(User, UserEvent)>, UseCaseError>;

/// What every change needs.
#[derive(Clone, Debug)]
pub(crate) struct Changes<R, C, I> {
    pub(crate) repository: R,
    pub(crate) clock: C,
    pub(crate) ids: I,
}

impl<R: UserRepository, C: Clock, I: IdGenerator> Changes<R, C, I> {
    /// Changes a user as `decide` says, given the user, an identifier for the event and the time; again if others were
    /// quicker, unless a version is expected. Answers the user as it is stored then, or would be.
    pub(crate) async fn change(
        &self,
        target: Target,
        context: RequestContext,
        decide: impl Fn(&User, EventId, SystemTime) -> Decision + Send + Sync,
    ) -> Result<User, UseCaseError> {
        let write = Write {
            deadline: context.deadline,
            trace: context.trace,
        };
        let mut attempt = 1;
        loop {
            let user = self.repository.get(target.id, context.deadline).await?;
            let now = self.clock.now();
            if user.is_purged(now) {
                return Err(UseCaseError::UserNotFound);
            }
            // What the user's state forbids comes first: no other etag would help.
            let decision = decide(&user, self.ids.event_id(), now)?;
            if target
                .expected
                .is_some_and(|version| version != user.version())
            {
                return Err(UseCaseError::Changed);
            }
            let Some((next, event)) = decision else {
                return Ok(user);
            };
            if context.validate_only {
                if next.email() != user.email() {
                    let repository = &self.repository;
                    validate::email(repository, next.email(), user.id(), now, context.deadline)
                        .await?;
                }
                return Ok(next);
            }
            match self.repository.update(next, event, write.clone()).await {
                Err(RepositoryError::Changed) if target.expected.is_none() => {
                    if attempt == ATTEMPTS {
                        return Err(UseCaseError::Contended);
                    }
                    attempt += 1;
                }
                result => return Ok(result?),
            }
        }
    }
}
