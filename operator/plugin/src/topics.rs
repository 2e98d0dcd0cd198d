//! The topics of a resource.

use std::io::Write;

use anstyle::AnsiColor;
use operator_api::condition::TOPICS_READY;
use operator_commands::{Connection, Format, paint, retention};
use operator_core::{Release, explain};
use serde::Serialize;

use crate::{
    error::Error,
    work::{get, told},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topic {
    name: String,
    partitions: u32,
    replication_factor: u32,
    retention_seconds: u64,
    /// Whether the resource created it: the operator configures and deletes no other.
    created: bool,
    /// Whether it is deleted with the resource, if the resource created it.
    deleted_with_resource: bool,
}

/// Prints the topics as they are described, and what the operator says of them. Kafka itself is not
/// asked: it need not be reachable from here.
pub(crate) async fn show(connection: &Connection, name: &str, output: Format) -> Result<(), Error> {
    let resource = get(connection, name).await?;
    let status = resource.status.clone().unwrap_or_default();
    // Images do not matter for topics.
    let release = Release {
        repository: String::new(),
        version: status.version.clone().unwrap_or_default(),
        ..Release::default()
    };
    let explained = explain(&resource, &release).map_err(|why| Error::Invalid {
        name: name.to_owned(),
        violations: why.to_string(),
    })?;
    let topics: Vec<Topic> = explained
        .topics
        .into_iter()
        .map(|topic| Topic {
            created: status
                .topics
                .iter()
                .any(|created| created.name == topic.name),
            name: topic.name,
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            retention_seconds: topic.retention_seconds,
            deleted_with_resource: topic.deleted_with_resource,
        })
        .collect();
    if output == Format::Json {
        return told(&serde_json::to_string_pretty(&topics)?);
    }
    if topics.is_empty() {
        return told(&format!(
            "{name}: events go to standard output, not to Kafka"
        ));
    }
    let mut out = anstream::stdout().lock();
    for topic in &topics {
        let whose = match (topic.created, topic.deleted_with_resource) {
            (true, true) => "created by this resource and deleted with it",
            (true, false) => "created by this resource",
            (false, _) => "not created by this resource",
        };
        writeln!(
            out,
            "{}  {} partitions, {} copies, kept {}, {whose}",
            topic.name,
            topic.partitions,
            topic.replication_factor,
            retention(topic.retention_seconds)
        )?;
    }
    for condition in status
        .conditions
        .iter()
        .filter(|one| one.type_ == TOPICS_READY)
    {
        let color = if condition.status == "True" {
            AnsiColor::Green
        } else {
            AnsiColor::Red
        };
        let reason = paint(color, &condition.reason);
        writeln!(out, "{TOPICS_READY}: {reason}: {}", condition.message)?;
    }
    Ok(())
}
