//! The schemas of the events at a schema registry, by Confluent's API.
//!
//! The service looks up what it writes by and never registers: that is for whoever rolls out, before a version that
//! writes by a new schema starts. What was looked up holds for the life of the process, so a registry that goes away
//! later does not matter.

mod error;
mod http;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use ::http::StatusCode;
use serde::{Deserialize, Serialize};
use user_domain::EventKind;
use uuid::Uuid;

pub use error::SchemaError;
use error::{NO_SCHEMA, NO_SUBJECT, NO_VERSION};
use http::Http;

use crate::config::Topics;
use crate::error::ConfigError;
use crate::events::{KINDS, PerEvent, schema_of};
use crate::framing::SchemaId;

/// How to reach a registry.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Base address of Confluent's API, without credentials.
    pub url: String,
    /// Folder with `username` and `password` for basic authentication and `ca.crt` for TLS, each as far as it is needed.
    pub credentials_directory: PathBuf,
    /// How long one request may take.
    pub timeout: Duration,
}

/// A schema registry.
#[derive(Debug)]
pub struct SchemaRegistry {
    http: Http,
}

/// What came of the schema of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectReport {
    /// The subject: the topic with `-value`.
    pub subject: String,
    /// The schema's number, if it is registered.
    pub id: Option<u32>,
    /// What came of it.
    pub outcome: SchemaOutcome,
}

/// What came of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaOutcome {
    /// It is registered from now on.
    Registered,
    /// It was registered before.
    Unchanged,
    /// It is not registered, and could be.
    Compatible,
    /// It is not registered, and must not be: readers of what is registered could not read what is written by it, or the
    /// other way round. With the registry's reason.
    Incompatible(String),
}

impl SchemaRegistry {
    /// A client of the registry; it connects with the first request.
    ///
    /// # Errors
    /// The address or the files with credentials are unusable.
    pub fn new(options: &RegistryOptions) -> Result<Self, ConfigError> {
        Ok(Self {
            http: Http::new(options)?,
        })
    }

    /// What the registry calls the schemas that this version writes by.
    ///
    /// # Errors
    /// See [`SchemaError`]: only after `Unavailable` is another attempt worth it.
    pub async fn resolve(&self, topics: &Topics) -> Result<PerEvent<SchemaId>, SchemaError> {
        Ok(PerEvent {
            created: self.resolve_kind(topics, EventKind::Created).await?,
            updated: self.resolve_kind(topics, EventKind::Updated).await?,
            deleted: self.resolve_kind(topics, EventKind::Deleted).await?,
        })
    }

    /// Registers the schemas that are not registered yet, unless they are incompatible. Safe to repeat.
    ///
    /// # Errors
    /// `Unavailable` or `Refused`; some may be registered then.
    pub async fn register_all(&self, topics: &Topics) -> Result<Vec<SubjectReport>, SchemaError> {
        let mut reports = self.check_all(topics).await?;
        for (kind, report) in KINDS.into_iter().zip(&mut reports) {
            if report.outcome == SchemaOutcome::Compatible {
                (report.id, report.outcome) = self.register(&report.subject, kind).await?;
            }
        }
        Ok(reports)
    }

    /// Says what [`SchemaRegistry::register_all`] would do, and changes nothing.
    ///
    /// # Errors
    /// `Unavailable` or `Refused`.
    pub async fn check_all(&self, topics: &Topics) -> Result<Vec<SubjectReport>, SchemaError> {
        let mut reports = Vec::with_capacity(KINDS.len());
        for kind in KINDS {
            let subject = subject(topics, kind);
            let id = self.look_up(&subject, kind).await?;
            let outcome = match id {
                Some(_) => SchemaOutcome::Unchanged,
                None => self.compatibility(&subject, kind).await?,
            };
            reports.push(SubjectReport {
                subject,
                id: id.map(|id| id.number),
                outcome,
            });
        }
        Ok(reports)
    }

    async fn resolve_kind(
        &self,
        topics: &Topics,
        kind: EventKind,
    ) -> Result<SchemaId, SchemaError> {
        let subject = subject(topics, kind);
        if let Some(id) = self.look_up(&subject, kind).await? {
            return Ok(id);
        }
        match self.compatibility(&subject, kind).await? {
            SchemaOutcome::Incompatible(reason) => {
                Err(SchemaError::Incompatible { subject, reason })
            }
            _ => Err(SchemaError::NotRegistered { subject }),
        }
    }

    /// What the registry calls our schema in this subject; nothing if it does not have it there.
    async fn look_up(
        &self,
        subject: &str,
        kind: EventKind,
    ) -> Result<Option<SchemaId>, SchemaError> {
        let path = format!("/subjects/{subject}?normalize=true");
        match self.http.post(subject, &path, &Schema::of(kind)).await? {
            Ok(body) => {
                let found: Found = http::parsed(subject, &body)?;
                Ok(Some(SchemaId {
                    number: found.id,
                    guid: found.guid,
                }))
            }
            Err(refusal) if matches!(refusal.code, NO_SUBJECT | NO_SCHEMA) => Ok(None),
            Err(refusal) => Err(refusal.into_error(subject)),
        }
    }

    /// Whether our schema may follow the latest of this subject.
    async fn compatibility(
        &self,
        subject: &str,
        kind: EventKind,
    ) -> Result<SchemaOutcome, SchemaError> {
        let path = format!("/compatibility/subjects/{subject}/versions/latest?verbose=true");
        match self.http.post(subject, &path, &Schema::of(kind)).await? {
            Ok(body) => {
                let answer: Compatibility = http::parsed(subject, &body)?;
                if answer.is_compatible {
                    return Ok(SchemaOutcome::Compatible);
                }
                let reason = answer.messages.unwrap_or_default().join("; ");
                Ok(SchemaOutcome::Incompatible(http::shortened(
                    if reason.is_empty() {
                        "the registry gives no reason"
                    } else {
                        &reason
                    },
                )))
            }
            Err(refusal) if matches!(refusal.code, NO_SUBJECT | NO_VERSION) => {
                Ok(SchemaOutcome::Compatible)
            }
            Err(refusal) => Err(refusal.into_error(subject)),
        }
    }

    async fn register(
        &self,
        subject: &str,
        kind: EventKind,
    ) -> Result<(Option<u32>, SchemaOutcome), SchemaError> {
        let path = format!("/subjects/{subject}/versions?normalize=true");
        match self.http.post(subject, &path, &Schema::of(kind)).await? {
            Ok(body) => {
                let found: Found = http::parsed(subject, &body)?;
                Ok((Some(found.id), SchemaOutcome::Registered))
            }
            Err(refusal) if refusal.status == StatusCode::CONFLICT => {
                Ok((None, SchemaOutcome::Incompatible(refusal.message)))
            }
            Err(refusal) => Err(refusal.into_error(subject)),
        }
    }
}

/// The subject of a topic's values, by the naming strategy that every serializer begins with.
fn subject(topics: &Topics, kind: EventKind) -> String {
    format!("{}-value", topics.of(kind).events)
}

#[derive(Serialize)]
struct Schema {
    #[serde(rename = "schemaType")]
    schema_type: &'static str,
    schema: &'static str,
}

impl Schema {
    const fn of(kind: EventKind) -> Self {
        Self {
            schema_type: "PROTOBUF",
            schema: schema_of(kind),
        }
    }
}

#[derive(Deserialize)]
struct Found {
    id: u32,
    #[serde(default, deserialize_with = "guid")]
    guid: Option<Uuid>,
}

#[derive(Deserialize)]
struct Compatibility {
    is_compatible: bool,
    messages: Option<Vec<String>>,
}

/// Text that is no UUID counts as none: the number is enough.
fn guid<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| Uuid::try_parse(&text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_known_by_its_number_and_where_there_is_one_by_its_guid() {
        let found = |json: &str| serde_json::from_str::<Found>(json).unwrap();
        let plain = found(r#"{"id": 7, "subject": "s"}"#);
        assert_eq!((plain.id, plain.guid), (7, None));
        let text = "0192f0c1-2b3c-7d4e-8f50-617283940a1b";
        let known = found(&format!(r#"{{"id": 7, "guid": "{text}"}}"#));
        assert_eq!(known.guid, Some(Uuid::parse_str(text).unwrap()));
        assert_eq!(found(r#"{"id": 7, "guid": null}"#).guid, None);
    }
}
