//! What happened to users.

use std::fmt;
use std::time::SystemTime;

use uuid::Uuid;

use crate::{User, UserId, Version};

/// Identifies an event for ever, so that a consumer can tell a repeated delivery from a new event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// The identifier with this value.
    pub const fn new(value: Uuid) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// Something that happened to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserEvent {
    /// The user came to be.
    Created(UserCreated),
}

/// A user came to be. Holds the user as it was then; a publisher decides how much of it leaves the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCreated {
    pub(crate) id: EventId,
    pub(crate) user: User,
}

impl UserCreated {
    /// The user as it was created.
    pub const fn user(&self) -> &User {
        &self.user
    }
}

impl UserEvent {
    /// Which event this is.
    pub const fn id(&self) -> EventId {
        match self {
            Self::Created(event) => event.id,
        }
    }

    /// Whom it happened to.
    pub const fn user_id(&self) -> UserId {
        match self {
            Self::Created(event) => event.user.id(),
        }
    }

    /// When it happened.
    pub const fn occurred_at(&self) -> SystemTime {
        match self {
            Self::Created(event) => event.user.created_at(),
        }
    }

    /// The version of the user that this event led to.
    pub const fn version(&self) -> Version {
        match self {
            Self::Created(event) => event.user.version(),
        }
    }
}
