//! Which types of events there are.

use user_domain::EventKind;
use user_settings::event_type;

/// One thing for each type of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerEvent<T> {
    /// For [`EventKind::Created`].
    pub created: T,
    /// For [`EventKind::Updated`].
    pub updated: T,
    /// For [`EventKind::Deleted`].
    pub deleted: T,
}

impl<T> PerEvent<T> {
    /// What `make` makes for each event type, such as `user.created`.
    pub fn from_fn(mut make: impl FnMut(&'static str) -> T) -> Self {
        Self {
            created: make(event_type::USER_CREATED),
            updated: make(event_type::USER_UPDATED),
            deleted: make(event_type::USER_DELETED),
        }
    }

    /// The one for this kind of event.
    pub const fn of(&self, kind: EventKind) -> &T {
        match kind {
            EventKind::Created => &self.created,
            EventKind::Updated => &self.updated,
            EventKind::Deleted => &self.deleted,
        }
    }
}

/// Every kind of event.
pub(crate) const KINDS: [EventKind; 3] =
    [EventKind::Created, EventKind::Updated, EventKind::Deleted];

/// The event type of this kind, `type` of `CloudEvents`.
pub(crate) const fn event_type_of(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Created => event_type::USER_CREATED,
        EventKind::Updated => event_type::USER_UPDATED,
        EventKind::Deleted => event_type::USER_DELETED,
    }
}

/// The schema of this kind as a registry takes it.
pub(crate) const fn schema_of(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Created => user_proto::schema::USER_CREATED,
        EventKind::Updated => user_proto::schema::USER_UPDATED,
        EventKind::Deleted => user_proto::schema::USER_DELETED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_type_has_a_kind_and_each_its_own() {
        let types = KINDS.map(event_type_of);
        assert_eq!(types, event_type::ALL);
        let per_event = PerEvent::from_fn(str::to_owned);
        for kind in KINDS {
            assert_eq!(per_event.of(kind), event_type_of(kind));
        }
    }
}
