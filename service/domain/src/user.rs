//! The user as an aggregate.

use std::time::{Duration, SystemTime};

use crate::{Email, EventId, EventKind, UserEvent, UserId, UserName};

/// How often an aggregate has changed, counted from 1. Events of one user are ordered by it, which a time stamp cannot
/// promise when transactions overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a new aggregate.
    pub const FIRST: Self = Self(1);

    /// The version with this number; none for 0.
    pub const fn new(number: u64) -> Option<Self> {
        if number == 0 {
            None
        } else {
            Some(Self(number))
        }
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number, from 1.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A user. `Debug` shows no personal data, because its parts do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    id: UserId,
    name: UserName,
    email: Email,
    created_at: SystemTime,
    updated_at: SystemTime,
    version: Version,
    deletion: Option<Deletion>,
}

/// That a user is deleted, and how long it can come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was deleted.
    pub deleted_at: SystemTime,
    /// From when on it is gone for good.
    pub purge_at: SystemTime,
}

/// Why something cannot be done to a user as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserStateError {
    /// It is deleted.
    #[error("the user is deleted")]
    Deleted,
    /// It is not deleted.
    #[error("the user is not deleted")]
    NotDeleted,
}

/// What of a user shall change; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// What the user is called from now on.
    pub name: Option<UserName>,
    /// How the user is reached from now on.
    pub email: Option<Email>,
}

impl User {
    /// A new user and the event that tells of it. Both have to be stored together or not at all.
    pub fn create(
        id: UserId,
        event_id: EventId,
        name: UserName,
        email: Email,
        now: SystemTime,
    ) -> (Self, UserEvent) {
        let user = Self {
            id,
            name,
            email,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
            deletion: None,
        };
        let event = UserEvent::restore(event_id, EventKind::Created, user.clone());
        (user, event)
    }

    /// The user after a change, and the event that tells of it; nothing if the change leaves everything as it is. Both
    /// have to be stored together or not at all, and only over the version that was changed.
    ///
    /// Times of one user never go back, whatever the clocks of different writers say: events are ordered by them.
    ///
    /// # Errors
    /// `Deleted`.
    pub fn update(
        &self,
        change: UserChange,
        event_id: EventId,
        now: SystemTime,
    ) -> Result<Option<(Self, UserEvent)>, UserStateError> {
        if self.deletion.is_some() {
            return Err(UserStateError::Deleted);
        }
        let name = change.name.unwrap_or_else(|| self.name.clone());
        let email = change.email.unwrap_or_else(|| self.email.clone());
        if name == self.name && email.as_str() == self.email.as_str() {
            return Ok(None);
        }
        let next = self.next(now);
        let user = Self {
            name,
            email,
            ..next
        };
        let event = UserEvent::restore(event_id, EventKind::Updated, user.clone());
        Ok(Some((user, event)))
    }

    /// The user, deleted, and the event that tells of it; it can come back for `purge_delay` from now on. As with
    /// [`User::update`].
    ///
    /// # Errors
    /// `Deleted`: it is already.
    pub fn delete(
        &self,
        purge_delay: Duration,
        event_id: EventId,
        now: SystemTime,
    ) -> Result<(Self, UserEvent), UserStateError> {
        if self.deletion.is_some() {
            return Err(UserStateError::Deleted);
        }
        let next = self.next(now);
        let deletion = Deletion {
            deleted_at: next.updated_at,
            purge_at: next.updated_at + purge_delay,
        };
        let user = Self {
            deletion: Some(deletion),
            ..next
        };
        let event = UserEvent::restore(event_id, EventKind::Deleted, user.clone());
        Ok((user, event))
    }

    /// The user, back again as it was, and the event that tells of it. As with [`User::update`].
    ///
    /// # Errors
    /// `NotDeleted`.
    pub fn undelete(
        &self,
        event_id: EventId,
        now: SystemTime,
    ) -> Result<(Self, UserEvent), UserStateError> {
        if self.deletion.is_none() {
            return Err(UserStateError::NotDeleted);
        }
        let user = Self {
            deletion: None,
            ..self.next(now)
        };
        let event = UserEvent::restore(event_id, EventKind::Updated, user.clone());
        Ok((user, event))
    }

    /// The same at the version that follows.
    fn next(&self, now: SystemTime) -> Self {
        Self {
            updated_at: now.max(self.updated_at),
            version: self.version.next(),
            ..self.clone()
        }
    }

    /// A user as a storage kept it. For adapters only: new users come from [`User::create`].
    pub const fn restore(
        id: UserId,
        name: UserName,
        email: Email,
        created_at: SystemTime,
        updated_at: SystemTime,
        version: Version,
        deletion: Option<Deletion>,
    ) -> Self {
        Self {
            id,
            name,
            email,
            created_at,
            updated_at,
            version,
            deletion,
        }
    }

    /// Which user this is.
    pub const fn id(&self) -> UserId {
        self.id
    }

    /// What the user is called.
    pub const fn name(&self) -> &UserName {
        &self.name
    }

    /// How the user is reached.
    pub const fn email(&self) -> &Email {
        &self.email
    }

    /// When the user was created.
    pub const fn created_at(&self) -> SystemTime {
        self.created_at
    }

    /// When the user changed last; at first the same as [`User::created_at`].
    pub const fn updated_at(&self) -> SystemTime {
        self.updated_at
    }

    /// How often the user has changed.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// That the user is deleted, if it is.
    pub const fn deletion(&self) -> Option<Deletion> {
        self.deletion
    }

    /// Whether the user is gone for good, even if a storage has not removed it yet.
    pub fn is_purged(&self, now: SystemTime) -> bool {
        self.deletion
            .is_some_and(|deletion| deletion.purge_at <= now)
    }
}
