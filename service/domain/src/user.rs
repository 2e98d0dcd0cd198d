//! The user as an aggregate.

use std::time::SystemTime;

use crate::{Email, EventId, UserCreated, UserEvent, UserId, UserName};

/// How often an aggregate has changed, counted from 1. Events of one user are ordered by it, which a time stamp cannot
/// promise when transactions overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a new aggregate.
    pub const FIRST: Self = Self(1);

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
    version: Version,
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
            version: Version::FIRST,
        };
        let event = UserCreated {
            id: event_id,
            user: user.clone(),
        };
        (user, UserEvent::Created(event))
    }

    /// A user as a storage kept it. For adapters only: new users come from [`User::create`].
    pub const fn restore(
        id: UserId,
        name: UserName,
        email: Email,
        created_at: SystemTime,
        version: Version,
    ) -> Self {
        Self {
            id,
            name,
            email,
            created_at,
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

    /// How often the user has changed.
    pub const fn version(&self) -> Version {
        self.version
    }
}
