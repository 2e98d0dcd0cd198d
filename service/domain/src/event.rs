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

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The user came to be.
    Created,
    /// The user's name or address changed, or the user came back after being deleted.
    Updated,
    /// The user was deleted, and can come back for a while.
    Deleted,
}

/// Something that happened to a user. Holds the user as it was right after; a publisher decides how much of it leaves
/// the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    id: EventId,
    kind: EventKind,
    user: User,
}

impl UserEvent {
    /// The event with these parts. Outside this crate for storages only, which read back what they kept.
    pub const fn restore(id: EventId, kind: EventKind, user: User) -> Self {
        Self { id, kind, user }
    }

    /// Which event this is.
    pub const fn id(&self) -> EventId {
        self.id
    }

    /// What happened.
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// The user right after it happened.
    pub const fn user(&self) -> &User {
        &self.user
    }

    /// Whom it happened to.
    pub const fn user_id(&self) -> UserId {
        self.user.id()
    }

    /// When it happened. Never earlier than the events of the same user before it.
    pub const fn occurred_at(&self) -> SystemTime {
        self.user.updated_at()
    }

    /// The version of the user that this event led to.
    pub const fn version(&self) -> Version {
        self.user.version()
    }
}
