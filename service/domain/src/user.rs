//! The user as an aggregate.

use std::time::SystemTime;

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
        };
        let event = UserEvent::restore(event_id, EventKind::Created, user.clone());
        (user, event)
    }

    /// The user after a change, and the event that tells of it; nothing if the change leaves everything as it is. Both
    /// have to be stored together or not at all, and only over the version that was changed.
    ///
    /// Times of one user never go back, whatever the clocks of different writers say: events are ordered by them.
    pub fn update(
        &self,
        change: UserChange,
        event_id: EventId,
        now: SystemTime,
    ) -> Option<(Self, UserEvent)> {
        let name = change.name.unwrap_or_else(|| self.name.clone());
        let email = change.email.unwrap_or_else(|| self.email.clone());
        if name == self.name && email.as_str() == self.email.as_str() {
            return None;
        }
        let user = Self {
            id: self.id,
            name,
            email,
            created_at: self.created_at,
            updated_at: now.max(self.updated_at),
            version: self.version.next(),
        };
        let event = UserEvent::restore(event_id, EventKind::Updated, user.clone());
        Some((user, event))
    }

    /// A user as a storage kept it. For adapters only: new users come from [`User::create`].
    pub const fn restore(
        id: UserId,
        name: UserName,
        email: Email,
        created_at: SystemTime,
        updated_at: SystemTime,
        version: Version,
    ) -> Self {
        Self {
            id,
            name,
            email,
            created_at,
            updated_at,
            version,
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
}
