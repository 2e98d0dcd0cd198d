use std::{collections::BTreeMap, io::Write, path::PathBuf};

use anstyle::AnsiColor;
use clap::Args;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{Api, ResourceExt};
use operator_api::UserService;
use operator_cluster::{Reader, bounded};
use operator_core::{
    Action, Change, ChildKind, Diff, FieldChange, Recorded, RenderError, Rule, validate,
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    Connection, ConnectionArgs, DiffReleaseArgs, Error, Format, Outcome, dim, manifest, paint,
};

/// Longest value that is shown; the rest is cut.
const SHOWN: usize = 72;

/// Show what the operator would do to the children in the cluster if the resources in a file were
/// applied: which it would write or delete, by which rule, and which change restarts pods. Nothing
/// is written. The exit code is 0 if there is nothing to do, 1 if there is, above 1 on failure.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// Manifest with one or more `UserService` resources; - reads standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    release: DiffReleaseArgs,
}

/// The answer for one resource.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    name: String,
    namespace: String,
    /// Whether the resource is in the cluster already.
    exists: bool,
    /// Whether it is being deleted: the operator writes nothing more then.
    is_being_deleted: bool,
    restarts_pods: bool,
    #[serde(flatten)]
    diff: Diff,
}

impl DiffArgs {
    /// Compares each resource with the cluster and prints the answers.
    ///
    /// # Errors
    /// If the manifest cannot be used, the cluster not be read or the answer not be written.
    pub async fn run(self) -> Result<Outcome, Error> {
        let resources = manifest::read(&self.filename)?;
        for resource in &resources {
            let release = self.release.release(resource, None, None);
            if let Err(violations) = validate(resource, &release) {
                return Err(Error::Manifest(manifest::Error::Render {
                    path: self.filename,
                    name: resource.name_any(),
                    source: RenderError::Invalid(violations),
                }));
            }
        }
        let connection = self.connection.connect().await?;
        let mut compared = Vec::new();
        for mut resource in resources {
            // As kubectl: a namespace on the command line has to agree, one of the context gives way.
            let namespace = resource
                .namespace()
                .unwrap_or_else(|| connection.namespace.clone());
            resource.metadata.namespace = Some(namespace);
            compared.push(compare(&connection, resource, &self.release).await?);
        }
        print(self.output, &compared)
    }
}

/// What the operator would do right now for the resource of this name, printed.
///
/// # Errors
/// If there is no such resource, the cluster cannot be read or the answer not be written.
pub async fn live_diff(
    connection: &Connection,
    name: &str,
    release: &DiffReleaseArgs,
    output: Format,
) -> Result<Outcome, Error> {
    let api: Api<UserService> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let resource = bounded("get", "UserService", name, api.get(name)).await?;
    let compared = compare(connection, resource, release).await?;
    print(output, &[compared])
}

async fn compare(
    connection: &Connection,
    described: UserService,
    release: &DiffReleaseArgs,
) -> Result<Compared, Error> {
    let name = described.name_any();
    let namespace = described.namespace().unwrap_or_default();
    let api: Api<UserService> = Api::namespaced(connection.client.clone(), &namespace);
    let live = bounded("get", "UserService", &name, api.get_opt(&name)).await?;
    let deletion = live
        .as_ref()
        .and_then(|live| live.metadata.deletion_timestamp.as_ref());
    if deletion.is_some() {
        return Ok(Compared {
            name,
            namespace,
            exists: true,
            is_being_deleted: true,
            restarts_pods: false,
            diff: Diff::default(),
        });
    }
    let reader = Reader {
        client: connection.client.clone(),
        namespace: &namespace,
        name: &name,
    };
    let kind = ChildKind::ControllerRevision;
    let revisions = reader.children(kind).await?;
    let runs = live.as_ref().and_then(|live| {
        let revisions = revisions.iter().flatten().map(|(_, revision)| revision);
        Recorded::current(live, revisions)
    });
    let exists = live.is_some();
    let resource = match &live {
        // Identity and status are the cluster's, the spec is the file's.
        Some(live) => UserService {
            spec: described.spec,
            ..live.clone()
        },
        None => described,
    };
    let release = release.release(&resource, live.as_ref(), runs.as_ref());
    let known = BTreeMap::from([(kind, revisions)]);
    let (world, _) = reader.dereference(&resource, &release, known).await?;
    let now = Time(Timestamp::now());
    let diff = operator_core::diff(&world, &resource, &release, &now)?;
    Ok(Compared {
        restarts_pods: diff.restarts_pods(),
        diff,
        exists,
        is_being_deleted: false,
        name,
        namespace,
    })
}

fn print(output: Format, compared: &[Compared]) -> Result<Outcome, Error> {
    let mut out = anstream::stdout().lock();
    match output {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(compared)?)?,
        Format::Text => {
            for one in compared {
                tell(&mut out, one)?;
            }
        }
    }
    let clean = compared.iter().all(|one| one.diff.is_empty());
    Ok(if clean {
        Outcome::Clean
    } else {
        Outcome::Found
    })
}

fn tell(out: &mut impl Write, compared: &Compared) -> std::io::Result<()> {
    let Compared {
        name,
        namespace,
        exists,
        is_being_deleted,
        diff,
        ..
    } = compared;
    if *is_being_deleted {
        return writeln!(
            out,
            "{name} in namespace {namespace}: is being deleted, nothing to do"
        );
    }
    let new = if *exists {
        ""
    } else {
        ", not in the cluster yet"
    };
    if diff.is_empty() {
        return writeln!(out, "{name} in namespace {namespace}: nothing to do");
    }
    writeln!(out, "{name} in namespace {namespace}{new}")?;
    for change in &diff.changes {
        tell_change(out, change)?;
    }
    if let Some(set) = diff.finalizer {
        let verb = if set { "set" } else { "taken away" };
        writeln!(out, "  the finalizer for topics is {verb}")?;
    }
    if let Some(standing) = &diff.standing {
        let reason = paint(AnsiColor::Yellow, &standing.reason);
        writeln!(out, "  {reason}: {}", standing.message)?;
    }
    let pods = if diff.restarts_pods() {
        paint(AnsiColor::Yellow, "pods restart")
    } else {
        "no pod restarts".to_owned()
    };
    let count = |action| {
        diff.changes
            .iter()
            .filter(|change| change.action == action)
            .count()
    };
    writeln!(
        out,
        "  {} to create, {} to update, {} to delete; {pods}",
        count(Action::Create),
        count(Action::Update),
        count(Action::Delete)
    )
}

fn tell_change(out: &mut impl Write, change: &Change) -> std::io::Result<()> {
    let (sign, color) = match change.action {
        Action::Create => ("+", AnsiColor::Green),
        Action::Update => ("~", AnsiColor::Yellow),
        Action::Delete => ("-", AnsiColor::Red),
    };
    let mut notes = vec![rule(change.rule).to_owned()];
    if change.restarts_pods {
        notes.push("restarts pods".to_owned());
    }
    if let Some(reason) = &change.waits_for {
        let until = if change.action == Action::Delete {
            "after"
        } else {
            "waits:"
        };
        notes.push(format!("{until} {reason}"));
    }
    let object = paint(
        color,
        format_args!("{sign} {} {}", change.kind, change.name),
    );
    writeln!(out, "  {object}  {}", dim(notes.join(", ")))?;
    for FieldChange { path, from, to } in &change.fields {
        let from = from.as_ref().map_or_else(|| "nothing".to_owned(), short);
        writeln!(out, "      {path}: {from} -> {}", short(to))?;
    }
    Ok(())
}

fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::NewChild => "new child",
        Rule::SpecChange => "spec change",
        Rule::Drift => "drift: changed by somebody else",
        Rule::Superseded => "not described any more",
        Rule::Retry => "failed, made anew",
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
