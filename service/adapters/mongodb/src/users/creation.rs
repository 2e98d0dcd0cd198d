//! The statements that store a new user.

use std::time::{Duration, SystemTime};

use mongodb::ClientSession;
use mongodb::bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
use user_application::{RequestKey, TraceContext};
use user_domain::{User, UserEvent};

use crate::MongoStorage;
use crate::documents::{Collections, EMAIL_INDEX, ID_INDEX, binary, event_document, user_document};
use crate::error::duplicate;
use crate::transaction::{Failure, Statements};

/// How long a request id is remembered. By this process's clock, which is near enough for a day.
const REQUEST_RETENTION: Duration = Duration::from_hours(24);

/// A new user with what goes along.
pub(super) struct Creation {
    collections: Collections,
    user: Document,
    event: Document,
    request: Option<(RequestKey, Document)>,
}

/// What belongs to somebody else already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Email,
    Id,
    /// The server did not say which.
    EmailOrId,
    Request(RequestKey),
}

impl Creation {
    pub(super) fn new(
        storage: &MongoStorage,
        user: &User,
        event: &UserEvent,
        request: Option<RequestKey>,
        trace: Option<&TraceContext>,
    ) -> Self {
        Self {
            collections: storage.collections.clone(),
            user: user_document(user),
            event: event_document(event, trace),
            request: request.map(|key| (key, request_document(&key, user))),
        }
    }
}

impl Statements for Creation {
    type Refusal = Taken;

    /// The request first: of many that are sent at once all but one stop there.
    async fn run(&self, session: &mut ClientSession) -> Result<(), Failure<Taken>> {
        if let Some((key, request)) = &self.request {
            let requests = &self.collections.requests;
            let inserted = requests.insert_one(request).session(&mut *session).await;
            inserted.map_err(|error| match duplicate(&error) {
                Some(_) => Failure::Refused(Taken::Request(*key)),
                None => error.into(),
            })?;
        }
        let users = &self.collections.users;
        let inserted = users.insert_one(&self.user).session(&mut *session).await;
        inserted.map_err(|error| match duplicate(&error) {
            Some(EMAIL_INDEX) => Failure::Refused(Taken::Email),
            Some(ID_INDEX) => Failure::Refused(Taken::Id),
            Some(_) => Failure::Refused(Taken::EmailOrId),
            None => error.into(),
        })?;
        let outbox = &self.collections.outbox;
        let inserted = outbox.insert_one(&self.event).session(&mut *session).await;
        inserted.map_err(|error| match duplicate(&error) {
            Some(_) => Failure::Refused(Taken::Id),
            None => error.into(),
        })?;
        Ok(())
    }
}

fn request_document(key: &RequestKey, user: &User) -> Document {
    doc! {
        "_id": binary(key.id),
        "fingerprint": Binary {
            subtype: BinarySubtype::Generic,
            bytes: key.fingerprint.to_vec(),
        },
        "user_id": binary(user.id().as_uuid()),
        "expires_at": DateTime::from_system_time(SystemTime::now() + REQUEST_RETENTION),
    }
}
