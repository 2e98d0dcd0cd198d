//! The statements that store the next version of a user.

use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use user_application::TraceContext;
use user_domain::{User, UserEvent};

use crate::MongoStorage;
use crate::documents::{Collections, binary, event_document, number, user_change};
use crate::error::duplicate;
use crate::transaction::{Failure, Statements};

/// The next version of a user with what goes along.
pub(super) struct Change {
    collections: Collections,
    before: Document,
    after: Document,
    event: Document,
}

/// What stands against the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// There is no user of the version before.
    Version,
    /// The address belongs to somebody else.
    Address,
    /// The identifier of the event does.
    EventId,
}

impl Change {
    pub(super) fn new(
        storage: &MongoStorage,
        user: &User,
        event: &UserEvent,
        trace: Option<&TraceContext>,
    ) -> Self {
        Self {
            collections: storage.collections.clone(),
            before: doc! {
                "_id": binary(user.id().as_uuid()),
                "version": number(user.version()).saturating_sub(1),
            },
            after: user_change(user),
            event: event_document(event, trace),
        }
    }
}

impl Statements for Change {
    type Refusal = Obstacle;

    async fn run(&self, session: &mut ClientSession) -> Result<(), Failure<Obstacle>> {
        let updated = self
            .collections
            .users
            .update_one(self.before.clone(), self.after.clone())
            .session(&mut *session)
            .await;
        let updated = updated.map_err(|error| match duplicate(&error) {
            Some(_) => Failure::Refused(Obstacle::Address),
            None => error.into(),
        })?;
        if updated.matched_count == 0 {
            return Err(Failure::Refused(Obstacle::Version));
        }
        let outbox = &self.collections.outbox;
        let inserted = outbox.insert_one(&self.event).session(&mut *session).await;
        inserted.map_err(|error| match duplicate(&error) {
            Some(_) => Failure::Refused(Obstacle::EventId),
            None => error.into(),
        })?;
        Ok(())
    }
}
