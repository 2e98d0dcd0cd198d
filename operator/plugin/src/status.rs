//! How resources are, as a tree.

use std::{fmt::Write as _, io::Write, pin::pin, time::Duration};

use anstyle::AnsiColor;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::ListParams,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::watcher,
};
use operator_api::UserService;
use operator_cluster::bounded;
use operator_commands::{Connection, Format, dim, paint};
use operator_core::children::POD_SELECTOR;

use crate::{
    error::Error,
    tree::{self, Node, Tree},
    watch::changes,
    work::told,
};

/// How long changes are gathered before they are shown: a rollout makes many at once.
const GATHER: Duration = Duration::from_millis(250);

pub(crate) async fn show(
    connection: &Connection,
    name: Option<&str>,
    output: Format,
) -> Result<(), Error> {
    told(text(connection, name, output).await?.trim_end())
}

/// Shows it, and again after each change that is seen of the resource or its pods.
pub(crate) async fn watch(
    connection: &Connection,
    name: Option<&str>,
    output: Format,
) -> Result<(), Error> {
    // Of the metadata alone, which can be read whatever else a resource holds.
    let resources: Api<PartialObjectMeta<UserService>> =
        Api::namespaced(connection.client.clone(), &connection.namespace);
    let pods: Api<PartialObjectMeta<Pod>> =
        Api::namespaced(connection.client.clone(), &connection.namespace);
    let of_this = match name {
        Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
        None => watcher::Config::default(),
    };
    let of_ours = watcher::Config::default().labels(POD_SELECTOR);
    let mut changes = stream::select(
        changes(resources, of_this).map(|change| change.map(drop)),
        changes(pods, of_ours).map(|change| change.map(drop)),
    );
    let mut shown = String::new();
    while let Some(change) = changes.next().await {
        change?;
        let quiet = tokio::time::sleep(GATHER);
        let mut quiet = pin!(quiet);
        loop {
            tokio::select! {
                () = &mut quiet => break,
                change = changes.next() => {
                    change.transpose()?;
                }
            }
        }
        let text = text(connection, name, output).await?;
        if text != shown {
            writeln!(anstream::stdout(), "{text}")?;
            shown = text;
        }
    }
    Ok(())
}

async fn text(
    connection: &Connection,
    name: Option<&str>,
    output: Format,
) -> Result<String, Error> {
    let api: Api<DeserializeGuard<UserService>> =
        Api::namespaced(connection.client.clone(), &connection.namespace);
    let found = if let Some(name) = name {
        vec![bounded("get", "UserService", name, api.get(name)).await?]
    } else {
        let params = ListParams::default();
        bounded("list", "UserService", "", api.list(&params))
            .await?
            .items
    };
    if found.is_empty() {
        return Err(Error::Nothing(connection.namespace.clone()));
    }
    let mut trees = Vec::new();
    for resource in found {
        trees.push(match resource.0 {
            Ok(resource) => tree::read(connection, &resource).await?,
            Err(invalid) => Tree::malformed(invalid),
        });
    }
    if output == Format::Json {
        return Ok(serde_json::to_string_pretty(&trees)?);
    }
    let mut text = String::new();
    for tree in &trees {
        // Writing into a String does not fail.
        let _ = draw(&mut text, tree);
    }
    Ok(text)
}

fn draw(text: &mut String, tree: &Tree) -> std::fmt::Result {
    let ready = tree
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    let (mark, reason) = match ready {
        Some(ready) if ready.status == "True" => (paint(AnsiColor::Green, "ready"), &ready.reason),
        Some(ready) if ready.status == "Unknown" => {
            (paint(AnsiColor::Yellow, "on its way"), &ready.reason)
        }
        Some(ready) => (paint(AnsiColor::Red, "not ready"), &ready.reason),
        None if tree.malformed.is_some() => (paint(AnsiColor::Red, "malformed"), &String::new()),
        None => (
            paint(AnsiColor::Yellow, "not looked at yet"),
            &String::new(),
        ),
    };
    writeln!(
        text,
        "UserService {} in namespace {}: {mark} {reason}",
        tree.name, tree.namespace
    )?;
    if let Some(why) = &tree.malformed {
        writeln!(text, "  cannot be read as a UserService: {why}")?;
    }
    for condition in &tree.conditions {
        let line = format!(
            "{}={} {}: {}",
            condition.type_, condition.status, condition.reason, condition.message
        );
        writeln!(text, "  {}", dim(line))?;
    }
    if let (Some(image), Some(endpoint)) = (&tree.image, &tree.endpoint) {
        writeln!(text, "  {image} at {endpoint}")?;
    }
    let last = tree.children.len().saturating_sub(1);
    for (index, child) in tree.children.iter().enumerate() {
        let (branch, below) = if index == last {
            ("└─", "   ")
        } else {
            ("├─", "│  ")
        };
        node(text, branch, child)?;
        let last = child.pods.len().saturating_sub(1);
        for (index, pod) in child.pods.iter().enumerate() {
            let branch = if index == last { "└─" } else { "├─" };
            node(text, &format!("{below}{branch}"), pod)?;
        }
    }
    for unread in &tree.unread {
        writeln!(
            text,
            "  {}",
            paint(
                AnsiColor::Yellow,
                format_args!("a permission is missing: {unread}")
            )
        )?;
    }
    Ok(())
}

fn node(text: &mut String, branch: &str, node: &Node) -> std::fmt::Result {
    let color = if node.well {
        AnsiColor::Green
    } else {
        AnsiColor::Red
    };
    let state = paint(color, &node.state);
    let gap = if node.state.is_empty() { "" } else { "  " };
    writeln!(text, "{branch} {} {}{gap}{state}", node.kind, node.name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{NOTHING, answer, connection, list};

    #[tokio::test]
    async fn one_that_cannot_be_read_keeps_nobody_from_seeing_the_others() {
        let resource = |name: &str, spec: &str| {
            let meta = json!({"name": name, "namespace": "team-a", "uid": name});
            let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
            json!({"apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService", "metadata": meta, "spec": spec})
        };
        let all = list(&[
            resource("broken", r#"{"replicas": "many"}"#),
            resource("users", "{}"),
        ]);
        let connection = connection(move |request| {
            let is_ours = request.uri().path().ends_with("/userservices");
            answer(if is_ours { &all } else { &NOTHING })
        });
        let text = text(&connection, None, Format::Text).await.unwrap();
        for part in [
            "UserService broken",
            "malformed",
            "Expected i32",
            "UserService users",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
