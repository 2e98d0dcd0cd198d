//! What the pods of a resource ran, and the way back to it.

use kube::api::PostParams;
use operator_api::UserService;
use operator_cluster::{Reader, bounded};
use operator_commands::{Connection, Format};
use operator_core::{ChildKind, Recorded};
use serde::Serialize;
use serde_json::Value;

use crate::{
    error::Error,
    work::{get, resources, told},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    revision: i64,
    is_current: bool,
    version: &'a str,
    image: Option<&'a str>,
    rendered_by: &'a str,
    recorded: Option<&'a str>,
}

/// Prints the revisions of a resource, the latest first.
pub(crate) async fn show(connection: &Connection, name: &str, output: Format) -> Result<(), Error> {
    let resource = get(connection, name).await?;
    let recorded = recorded(connection, &resource, name).await?;
    let current = current(&resource);
    let rows: Vec<Row<'_>> = recorded
        .iter()
        .map(|revision| Row {
            revision: revision.number,
            is_current: Some(revision.number) == current,
            version: &revision.version,
            image: revision.image.as_deref(),
            rendered_by: &revision.operator,
            recorded: revision.created.as_deref(),
        })
        .collect();
    if output == Format::Json {
        return told(&serde_json::to_string_pretty(&rows)?);
    }
    told("   REVISION  RECORDED              VERSION     OPERATOR    IMAGE")?;
    for row in rows {
        told(&format!(
            "{:2} {:<9} {:<21} {:<11} {:<11} {}",
            if row.is_current { "*" } else { "" },
            row.revision,
            row.recorded.unwrap_or_default(),
            row.version,
            row.rendered_by,
            row.image.unwrap_or_default()
        ))?;
    }
    Ok(())
}

/// Sets that part of the spec that pods see to what it was in a revision, the one before if none is named.
pub(crate) async fn rollback(
    connection: &Connection,
    name: &str,
    to: Option<i64>,
) -> Result<(), Error> {
    let resource = get(connection, name).await?;
    let recorded = recorded(connection, &resource, name).await?;
    let current = current(&resource);
    let chosen = recorded.iter().find(|revision| match to {
        Some(number) => revision.number == number,
        None => current.is_some_and(|current| revision.number < current),
    });
    let Some(chosen) = chosen else {
        let there = recorded.iter().map(|revision| revision.number.to_string());
        return Err(Error::NoRevision {
            name: name.to_owned(),
            wanted: to,
            there: there.collect::<Vec<_>>().join(", "),
        });
    };
    if Some(chosen.number) == current {
        return told(&format!("{name}: runs revision {} already", chosen.number));
    }
    let restored = chosen.restored(&resource)?;
    // Its resourceVersion refuses to write over what somebody else wrote since.
    let api = resources(connection);
    let params = PostParams::default();
    let request = api.replace(name, &params, &restored);
    bounded("roll back", "UserService", name, request).await?;
    told(&format!(
        "{name}: back to revision {}, as a new one; kubectl userservice status {name} --watch shows how it goes",
        chosen.number
    ))
}

fn current(resource: &UserService) -> Option<i64> {
    resource.status.as_ref()?.revision
}

async fn recorded(
    connection: &Connection,
    resource: &UserService,
    name: &str,
) -> Result<Vec<Recorded>, Error> {
    let reader = Reader {
        client: connection.client.clone(),
        namespace: &connection.namespace,
        name,
    };
    let uid = resource.metadata.uid.as_deref();
    let is_ours = |live: &Value| {
        let owners = live.pointer("/metadata/ownerReferences");
        let mut owners = owners.and_then(Value::as_array).into_iter().flatten();
        owners.any(|owner| uid.is_some() && owner.get("uid").and_then(Value::as_str) == uid)
    };
    let revisions = reader.children(ChildKind::ControllerRevision).await?;
    let mut recorded: Vec<Recorded> = revisions
        .iter()
        .flatten()
        .filter(|(_, live)| is_ours(live))
        .filter_map(|(_, live)| Recorded::read(live))
        .collect();
    recorded.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    Ok(recorded)
}
