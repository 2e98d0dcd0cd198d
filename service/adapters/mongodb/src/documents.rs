//! Collections, fields, and how users and events are written in them.
//!
//! An event has the fields that Debezium's outbox event router for `MongoDB` reads (`aggregatetype`, `aggregateid`,
//! `type`, `payload`), so that it can stand in for our relay.

use std::time::SystemTime;

use mongodb::Database;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use user_application::{DeadLetter, OutboxRecord, TraceContext};
use user_domain::{
    Deletion, Email, EventId, EventKind, User, UserEvent, UserId, UserName, Version,
};
use uuid::Uuid;

use crate::DatabaseError;

/// By its document.
pub(crate) type Collection = mongodb::Collection<Document>;

pub(crate) const USERS: &str = "users";
pub(crate) const OUTBOX: &str = "outbox";
pub(crate) const REQUESTS: &str = "requests";
pub(crate) const LEASES: &str = "leases";
pub(crate) const SCHEMA_MIGRATIONS: &str = "schema_migrations";

/// The unique index on what addresses are compared by.
pub(crate) const EMAIL_INDEX: &str = "email_key_1";
/// The index that every collection has.
pub(crate) const ID_INDEX: &str = "_id_";

pub(crate) const PENDING: &str = "pending";
pub(crate) const SENT: &str = "sent";
pub(crate) const DEAD: &str = "dead";

const AGGREGATE: &str = "user";
const CREATED: &str = "user.created";
const UPDATED: &str = "user.updated";
pub(crate) const DELETED: &str = "user.deleted";

/// When a user was deleted.
pub(crate) const DELETE_TIME: &str = "delete_time";
/// When a deleted user goes for good.
pub(crate) const PURGE_TIME: &str = "purge_time";

/// The collections.
#[derive(Clone, Debug)]
pub(crate) struct Collections {
    pub(crate) users: Collection,
    pub(crate) outbox: Collection,
    pub(crate) requests: Collection,
    pub(crate) leases: Collection,
    pub(crate) schema_migrations: Collection,
}

impl Collections {
    pub(crate) fn of(database: &Database) -> Self {
        Self {
            users: database.collection(USERS),
            outbox: database.collection(OUTBOX),
            requests: database.collection(REQUESTS),
            leases: database.collection(LEASES),
            schema_migrations: database.collection(SCHEMA_MIGRATIONS),
        }
    }
}

/// An identifier as it is stored: 16 bytes of subtype 4.
pub(crate) fn binary(id: Uuid) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Uuid,
        bytes: id.into_bytes().to_vec(),
    })
}

/// A user as stored.
pub(crate) fn user_document(user: &User) -> Document {
    let mut document = state_document(user);
    document.insert("_id", binary(user.id().as_uuid()));
    document.insert("email_key", user.email().as_key());
    document
}

/// What a user and its events have in common.
fn state_document(user: &User) -> Document {
    let mut document = doc! {
        "name": user.name().as_str(),
        "email": user.email().as_str(),
        "create_time": date(user.created_at()),
        "update_time": date(user.updated_at()),
        "version": number(user.version()),
    };
    if let Some(deletion) = user.deletion() {
        document.insert(DELETE_TIME, date(deletion.deleted_at));
        document.insert(PURGE_TIME, date(deletion.purge_at));
    }
    document
}

/// What changes of a stored user with each version.
pub(crate) fn user_change(user: &User) -> Document {
    let mut changed = user_document(user);
    changed.remove("_id");
    changed.remove("create_time");
    let mut change = doc! { "$set": changed };
    if user.deletion().is_none() {
        change.insert("$unset", doc! { DELETE_TIME: "", PURGE_TIME: "" });
    }
    change
}

/// An event as stored, pending.
pub(crate) fn event_document(event: &UserEvent, trace: Option<&TraceContext>) -> Document {
    let user = event.user();
    let mut payload = doc! { "id": user.id().to_string() };
    payload.extend(state_document(user));
    let mut document = doc! {
        "_id": binary(event.id().as_uuid()),
        "aggregatetype": AGGREGATE,
        "aggregateid": user.id().to_string(),
        "type": type_of(event.kind()),
        "payload": payload,
        "version": number(event.version()),
        "occurred_at": date(event.occurred_at()),
        "state": PENDING,
        "attempts": 0_i32,
    };
    if let Some(trace) = trace {
        let mut context = doc! { "parent": trace.parent() };
        if let Some(state) = trace.state() {
            context.insert("state", state);
        }
        document.insert("trace", context);
    }
    document
}

/// A stored user.
pub(crate) fn user(document: &Document) -> Result<User, DatabaseError> {
    Fields(document, USERS).user(user_id(document)?)
}

/// Which user is stored.
pub(crate) fn user_id(document: &Document) -> Result<UserId, DatabaseError> {
    Ok(UserId::new(Fields(document, USERS).uuid("_id")?))
}

/// A stored event.
pub(crate) fn record(document: &Document) -> Result<OutboxRecord, DatabaseError> {
    let fields = Fields(document, OUTBOX);
    let kind = match fields.text("type")? {
        CREATED => EventKind::Created,
        UPDATED => EventKind::Updated,
        DELETED => EventKind::Deleted,
        _ => return Err(fields.unreadable("type")),
    };
    let payload = document.get_document("payload");
    let payload = Fields(payload.map_err(|_| fields.unreadable("payload"))?, OUTBOX);
    let user = payload.user(fields.user_id()?)?;
    let id = EventId::new(fields.uuid("_id")?);
    Ok(OutboxRecord {
        event: UserEvent::restore(id, kind, user),
        trace: document.get_document("trace").ok().and_then(trace),
        attempts: fields.attempts()?,
    })
}

/// A stored event that was given up.
pub(crate) fn dead_letter(document: &Document) -> Result<DeadLetter, DatabaseError> {
    let fields = Fields(document, OUTBOX);
    Ok(DeadLetter {
        event: EventId::new(fields.uuid("_id")?),
        event_type: fields.text("type")?.to_owned(),
        user: fields.user_id()?,
        version: fields.version()?,
        occurred_at: fields.time("occurred_at")?,
        attempts: fields.attempts()?,
        reason: fields.text("reason")?.to_owned(),
    })
}

/// When an event happened.
pub(crate) fn occurred_at(document: &Document) -> Result<SystemTime, DatabaseError> {
    Fields(document, OUTBOX).time("occurred_at")
}

/// What a request asked for, and the user that came of it.
pub(crate) fn request(document: &Document) -> Result<(&[u8], Uuid), DatabaseError> {
    let fields = Fields(document, REQUESTS);
    let fingerprint = document.get_binary_generic("fingerprint");
    let fingerprint = fingerprint.map_err(|_| fields.unreadable("fingerprint"))?;
    Ok((fingerprint, fields.uuid("user_id")?))
}

/// A document with the name of its collection.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a Document, &'static str);

impl<'a> Fields<'a> {
    fn unreadable(self, field: &'static str) -> DatabaseError {
        let collection = self.1;
        DatabaseError::Unreadable { collection, field }
    }

    fn text(self, field: &'static str) -> Result<&'a str, DatabaseError> {
        self.0.get_str(field).map_err(|_| self.unreadable(field))
    }

    fn time(self, field: &'static str) -> Result<SystemTime, DatabaseError> {
        let date = self.0.get_datetime(field);
        Ok(date.map_err(|_| self.unreadable(field))?.to_system_time())
    }

    /// Both times or neither.
    fn deletion(self) -> Result<Option<Deletion>, DatabaseError> {
        if !self.0.contains_key(DELETE_TIME) {
            return Ok(None);
        }
        Ok(Some(Deletion {
            deleted_at: self.time(DELETE_TIME)?,
            purge_at: self.time(PURGE_TIME)?,
        }))
    }

    fn uuid(self, field: &'static str) -> Result<Uuid, DatabaseError> {
        let id = match self.0.get(field) {
            Some(Bson::Binary(binary)) => Uuid::from_slice(&binary.bytes).ok(),
            _ => None,
        };
        id.ok_or_else(|| self.unreadable(field))
    }

    fn version(self) -> Result<Version, DatabaseError> {
        let number = self.0.get_i64("version").ok();
        let number = number.and_then(|number| u64::try_from(number).ok());
        let version = number.and_then(Version::new);
        version.ok_or_else(|| self.unreadable("version"))
    }

    fn attempts(self) -> Result<u32, DatabaseError> {
        let attempts = self.0.get_i32("attempts").ok();
        let attempts = attempts.and_then(|attempts| u32::try_from(attempts).ok());
        attempts.ok_or_else(|| self.unreadable("attempts"))
    }

    fn user_id(self) -> Result<UserId, DatabaseError> {
        let id = self.text("aggregateid")?.parse();
        id.map_err(|_| self.unreadable("aggregateid"))
    }

    fn user(self, id: UserId) -> Result<User, DatabaseError> {
        let name = UserName::parse(self.text("name")?).map_err(|_| self.unreadable("name"))?;
        let email = Email::parse(self.text("email")?).map_err(|_| self.unreadable("email"))?;
        Ok(User::restore(
            id,
            name,
            email,
            self.time("create_time")?,
            self.time("update_time")?,
            self.version()?,
            self.deletion()?,
        ))
    }
}

fn trace(document: &Document) -> Option<TraceContext> {
    TraceContext::parse(
        document.get_str("parent").ok()?,
        document.get_str("state").ok(),
    )
}

fn date(time: SystemTime) -> DateTime {
    DateTime::from_system_time(time)
}

/// Versions count changes of one user, so they stay far below what the field holds.
pub(crate) fn number(version: Version) -> i64 {
    i64::try_from(version.get()).unwrap_or(i64::MAX)
}

const fn type_of(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Created => CREATED,
        EventKind::Updated => UPDATED,
        EventKind::Deleted => DELETED,
    }
}
