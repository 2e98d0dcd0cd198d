//! The API server's audit log: the judge of who wrote what.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::cluster::{OPERATOR, OPERATOR_NAMESPACE};

/// One write that the API server answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    verb: String,
    user: User,
    object_ref: Option<ObjectRef>,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct ObjectRef {
    resource: String,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

impl Entry {
    /// The write in words, such as `patch deployments e2e-x/users`.
    pub fn summary(&self) -> String {
        let Some(object) = &self.object_ref else {
            return self.verb.clone();
        };
        let subresource = object
            .subresource
            .as_ref()
            .map(|name| format!("/{name}"))
            .unwrap_or_default();
        let namespace = object
            .namespace
            .as_ref()
            .map(|name| format!("{name}/"))
            .unwrap_or_default();
        let name = object.name.as_deref().unwrap_or("-");
        format!(
            "{} {}{subresource} {namespace}{name}",
            self.verb, object.resource
        )
    }

    /// Whether a process in the pod of this name wrote, by its token.
    pub fn is_by(&self, pod: &str) -> bool {
        let pods = self.user.extra.get("authentication.kubernetes.io/pod-name");
        pods.is_some_and(|pods| pods.iter().any(|name| name == pod))
    }

    /// Whether it is about the Lease of the leader.
    pub fn is_election(&self) -> bool {
        self.object_ref
            .as_ref()
            .is_some_and(|object| object.resource == "leases")
    }

    /// Whether it only says something of a resource, in its status or by an Event.
    pub fn is_report(&self) -> bool {
        self.object_ref.as_ref().is_some_and(|object| {
            object.resource == "events"
                || object.resource == "userservices"
                    && object.subresource.as_deref() == Some("status")
        })
    }

    fn is_in(&self, namespace: &str) -> bool {
        self.object_ref
            .as_ref()
            .is_some_and(|object| object.namespace.as_deref() == Some(namespace))
    }
}

/// A place in the log from which on writes are judged.
pub struct Audit {
    path: PathBuf,
    from: u64,
}

impl Audit {
    /// Everything that the log holds.
    pub fn whole(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            from: 0,
        }
    }

    /// What comes from now on.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn from_now(path: &Path) -> Result<Self> {
        let from = path
            .metadata()
            .with_context(|| format!("audit log {}", path.display()))?
            .len();
        Ok(Self {
            path: path.to_owned(),
            from,
        })
    }

    /// Writes by the operator's ServiceAccount since, in all namespaces.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn operator_writes(&self) -> Result<Vec<Entry>> {
        let mut file =
            File::open(&self.path).with_context(|| format!("audit log {}", self.path.display()))?;
        anyhow::ensure!(
            file.metadata()?.len() >= self.from,
            "the audit log was rotated during the scenario"
        );
        file.seek(SeekFrom::Start(self.from))?;
        let operator = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}");
        let mut writes = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line?;
            // The last line may still be being written; it is no answered request yet.
            let Ok(entry) = serde_json::from_str::<Entry>(&line) else {
                continue;
            };
            let is_write = matches!(
                entry.verb.as_str(),
                "create" | "update" | "patch" | "delete" | "deletecollection"
            );
            if is_write && entry.user.username == operator {
                writes.push(entry);
            }
        }
        Ok(writes)
    }

    /// Those of [`Audit::operator_writes`] in one namespace.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn operator_writes_in(&self, namespace: &str) -> Result<Vec<Entry>> {
        Ok(self
            .operator_writes()?
            .into_iter()
            .filter(|entry| entry.is_in(namespace))
            .collect())
    }
}
