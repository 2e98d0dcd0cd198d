//! A command, taken apart: what is for the wire, and what the engine is asked.

use std::time::Duration;

use bson::raw::CStr;
use bson::spec::BinarySubtype;
use bson::{Document, RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::failure::{Code, Failure};
use crate::wire::{Message, Sequence};

/// Who a logical session is: the bytes of its UUID.
pub(crate) type SessionId = [u8; 16];

/// A command. It holds what users sent, and is never printed.
pub(crate) struct Command {
    /// Its name, which is the name of the first field.
    pub(crate) name: String,
    /// The collection, where the first field names one.
    pub(crate) target: Option<String>,
    /// The database.
    pub(crate) database: String,
    /// What is asked, without the fields of the wire, and with the sequences in it.
    pub(crate) body: RawDocumentBuf,
    /// The fields of the wire.
    pub(crate) envelope: Envelope,
}

/// What a command carries for the wire's sake.
#[derive(Default)]
pub(crate) struct Envelope {
    /// The logical session.
    pub(crate) session: Option<SessionId>,
    /// The number of the transaction or retryable write in the session.
    pub(crate) number: Option<i64>,
    /// `false` in a transaction.
    pub(crate) autocommit: Option<bool>,
    /// Whether a transaction begins.
    pub(crate) start: bool,
    /// What has to hold before a write is answered.
    pub(crate) write_concern: Option<Document>,
    /// What may be read.
    pub(crate) read_concern: Option<Document>,
    /// Which member reads.
    pub(crate) read_preference: Option<Document>,
    /// How long it may take.
    pub(crate) limit: Option<Duration>,
}

impl Envelope {
    /// Whether this is part of a transaction.
    pub(crate) fn in_transaction(&self) -> bool {
        self.autocommit == Some(false)
    }

    /// Takes a field of the wire. Whether it was one.
    fn take(&mut self, key: &str, value: RawBsonRef<'_>) -> Result<bool, Failure> {
        match key {
            "lsid" => self.session = Some(session_id(value)?),
            "txnNumber" => self.number = value.as_i64(),
            "autocommit" => self.autocommit = value.as_bool(),
            "startTransaction" => self.start = value.as_bool() == Some(true),
            "writeConcern" => self.write_concern = Some(document(key, value)?),
            "readConcern" => self.read_concern = Some(document(key, value)?),
            "$readPreference" => self.read_preference = Some(document(key, value)?),
            "maxTimeMS" => self.limit = limit(value)?,
            "$clusterTime"
            | "apiVersion"
            | "apiStrict"
            | "apiDeprecationErrors"
            | "stmtId"
            | "stmtIds" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Command {
    /// Takes a message apart.
    pub(crate) fn parse(message: Message) -> Result<Self, Failure> {
        let mut envelope = Envelope::default();
        let mut database = None;
        let mut name = None;
        let mut target = None;
        let mut body = RawDocumentBuf::new();
        for element in &message.body {
            let (key, value) = element.map_err(|_| malformed("the command"))?;
            if name.is_none() {
                name = Some(key.to_string());
                target = value.as_str().map(str::to_owned);
                body.append(key, value);
            } else if key.as_str() == "$db" {
                database = value.as_str().map(str::to_owned);
            } else if !envelope.take(key.as_str(), value)? {
                body.append(key, value);
            }
        }
        for sequence in message.sequences {
            fold(&mut body, sequence)?;
        }
        let database = match database {
            Some(database) => database,
            None if message.legacy => "admin".to_owned(),
            None => return Err(malformed("$db")),
        };
        Ok(Self {
            name: name.ok_or_else(|| malformed("an empty command"))?,
            target,
            database,
            body,
            envelope,
        })
    }

    /// The collection that the command is about.
    pub(crate) fn collection(&self) -> Result<&str, Failure> {
        self.target.as_deref().ok_or_else(|| {
            Failure::new(
                Code::INVALID_NAMESPACE,
                format!("{} needs the name of a collection", self.name),
            )
        })
    }
}

fn fold(body: &mut RawDocumentBuf, sequence: Sequence) -> Result<(), Failure> {
    let mut array = RawArrayBuf::new();
    for document in sequence.documents {
        array.push(document);
    }
    let key =
        <&CStr>::try_from(sequence.name.as_str()).map_err(|_| malformed("a document sequence"))?;
    body.append(key, array);
    Ok(())
}

fn malformed(what: &str) -> Failure {
    Failure::new(Code::FAILED_TO_PARSE, format!("malformed: {what}"))
}

fn document(key: &str, value: RawBsonRef<'_>) -> Result<Document, Failure> {
    value
        .as_document()
        .and_then(|raw| Document::try_from(raw).ok())
        .ok_or_else(|| Failure::new(Code::TYPE_MISMATCH, format!("{key} has to be a document")))
}

fn session_id(value: RawBsonRef<'_>) -> Result<SessionId, Failure> {
    let id = value
        .as_document()
        .and_then(|session: &RawDocument| session.get_binary("id").ok())
        .filter(|id| id.subtype == BinarySubtype::Uuid);
    id.and_then(|id| id.bytes.try_into().ok())
        .ok_or_else(|| malformed("lsid"))
}

/// Zero means without limit, as in MongoDB.
fn limit(value: RawBsonRef<'_>) -> Result<Option<Duration>, Failure> {
    let milliseconds = match value {
        RawBsonRef::Int32(number) => u64::try_from(number).ok(),
        RawBsonRef::Int64(number) => u64::try_from(number).ok(),
        RawBsonRef::Double(number) if number.fract() == 0.0 => {
            Duration::try_from_secs_f64(number / 1000.0)
                .ok()
                .and_then(|limit| u64::try_from(limit.as_millis()).ok())
        }
        _ => None,
    };
    match milliseconds {
        Some(0) => Ok(None),
        Some(milliseconds) => Ok(Some(Duration::from_millis(milliseconds))),
        None => Err(Failure::new(
            Code::BAD_VALUE,
            "maxTimeMS has to be a whole number that is not negative",
        )),
    }
}

#[cfg(test)]
mod tests;
