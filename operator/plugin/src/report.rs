//! A bundle for whoever is to help.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, LogParams},
};
use operator_api::UserService;
use operator_cluster::{Error as ClusterError, Reader, bounded};
use operator_commands::Connection;
use operator_core::{ChildKind, children::INSTANCE_LABEL, secret_names};
use serde::Serialize;
use serde_json::Value;

use crate::{
    error::Error,
    pods::containers,
    redact::Redactor,
    tree,
    work::{get, told},
};

/// Last lines of each log.
const LINES: i64 = 2000;
/// Annotation that repeats what somebody applied once, whatever it held.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Writes the bundle. What may not be read is missing from it, and told in its `missing.txt`.
pub(crate) async fn write(
    connection: &Connection,
    name: &str,
    file: Option<PathBuf>,
) -> Result<(), Error> {
    let resource = get(connection, name).await?;
    let mut report = Report::default();
    let secrets = secrets(connection, &resource, &mut report).await?;
    report.collect(connection, &resource).await?;
    let path = file.unwrap_or_else(|| PathBuf::from(format!("userservice-report-{name}.tar")));
    report.pack(
        &Redactor::new(secrets).map_err(std::io::Error::other)?,
        &path,
    )?;
    told(&format!(
        "{}: {} files, without Secrets, credentials and e-mail addresses. Look through it before you pass it on.",
        path.display(),
        report.files.len()
    ))
}

/// Values of the Secrets that the resource names, to be taken out of everything else.
async fn secrets(
    connection: &Connection,
    resource: &UserService,
    report: &mut Report,
) -> Result<Vec<String>, Error> {
    let api: Api<Secret> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let mut values = Vec::new();
    for name in secret_names(resource) {
        let read = bounded("get", "Secret", &name, api.get_opt(&name)).await;
        let Some(Some(secret)) = report.allowed(read)? else {
            continue;
        };
        let data = secret.data.unwrap_or_default();
        values.extend(
            data.into_values()
                .filter_map(|value| String::from_utf8(value.0).ok()),
        );
    }
    Ok(values)
}

/// Files of the bundle before anything is taken out.
#[derive(Default)]
struct Report {
    files: BTreeMap<String, String>,
    missing: Vec<String>,
}

impl Report {
    async fn collect(
        &mut self,
        connection: &Connection,
        resource: &UserService,
    ) -> Result<(), Error> {
        let (name, namespace) = (resource.name_any(), &connection.namespace);
        self.add_object("userservice.yaml", resource)?;
        let tree = tree::read(connection, resource).await?;
        self.files.insert(
            "status.json".to_owned(),
            serde_json::to_string_pretty(&tree)?,
        );
        let reader = Reader {
            client: connection.client.clone(),
            namespace,
            name: &name,
        };
        for kind in ChildKind::ALL {
            for ((kind, name), live) in self
                .allowed(reader.children_of(resource, kind).await)?
                .flatten()
                .unwrap_or_default()
            {
                self.add_object(&format!("children/{}-{name}.yaml", kind.name()), &live)?;
            }
        }
        self.pods(connection, &name).await?;
        self.events(connection, &name).await
    }

    async fn pods(&mut self, connection: &Connection, name: &str) -> Result<(), Error> {
        let api: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.namespace);
        let params = ListParams::default().labels(&format!("{INSTANCE_LABEL}={name}"));
        let listed = bounded("list", "Pod", name, api.list(&params)).await;
        for pod in self.allowed(listed)?.into_iter().flatten() {
            let name = pod.name_any();
            self.add_object(&format!("pods/{name}.yaml"), &pod)?;
            for container in containers(&pod) {
                let container = &container.name;
                for previous in [false, true] {
                    let params = LogParams {
                        container: Some(container.clone()),
                        previous,
                        tail_lines: Some(LINES),
                        ..LogParams::default()
                    };
                    let suffix = if previous { ".previous" } else { "" };
                    match bounded("logs", "Pod", &name, api.logs(&name, &params)).await {
                        Ok(text) => {
                            self.files
                                .insert(format!("logs/{name}-{container}{suffix}.log"), text);
                        }
                        // A container that never started, or never restarted, has no such log.
                        Err(error) if error.code() == Some(400) => {}
                        Err(error) => self.missing.push(error.to_string()),
                    }
                }
            }
        }
        Ok(())
    }

    async fn events(&mut self, connection: &Connection, name: &str) -> Result<(), Error> {
        let api: Api<Event> = Api::namespaced(connection.client.clone(), &connection.namespace);
        let params = ListParams::default();
        let listed = bounded("list", "Event", name, api.list(&params)).await;
        let mut lines = Vec::new();
        for event in self.allowed(listed)?.into_iter().flatten() {
            let about = event.involved_object.name.clone().unwrap_or_default();
            if about != name && !about.starts_with(&format!("{name}-")) {
                continue;
            }
            let kind = event.involved_object.kind.unwrap_or_default();
            let (reason, message) = (
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default(),
            );
            let count = event.count.unwrap_or(1);
            lines.push(format!("{kind} {about}: {reason}: {message} (x{count})"));
        }
        self.files.insert("events.txt".to_owned(), lines.join("\n"));
        Ok(())
    }

    /// What was read; nothing, and a note, where the right to is missing.
    fn allowed<T>(&mut self, answer: Result<T, ClusterError>) -> Result<Option<T>, Error> {
        match answer {
            Err(error) if error.code() == Some(403) => {
                self.missing
                    .push(format!("a permission is missing: {error}"));
                Ok(None)
            }
            answer => Ok(Some(answer?)),
        }
    }

    fn add_object(&mut self, path: &str, object: &impl Serialize) -> Result<(), Error> {
        let mut object = serde_json::to_value(object)?;
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("managedFields");
            if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
                annotations.remove(LAST_APPLIED);
            }
        }
        self.files
            .insert(path.to_owned(), serde_yaml::to_string(&object)?);
        Ok(())
    }

    fn pack(&mut self, redactor: &Redactor, path: &Path) -> Result<(), Error> {
        let missing = self.missing.join("\n");
        self.files.insert("missing.txt".to_owned(), missing);
        let version = format!(
            "kubectl-userservice {}, {}\n",
            env!("CARGO_PKG_VERSION"),
            UserService::api_version(&())
        );
        self.files.insert("version.txt".to_owned(), version);
        let mut archive = tar::Builder::new(File::create(path)?);
        for (name, text) in &self.files {
            let text = redactor.redact(text);
            let mut header = tar::Header::new_gnu();
            header.set_size(u64::try_from(text.len()).unwrap_or(u64::MAX));
            header.set_mode(0o600);
            archive.append_data(&mut header, redactor.redact(name), text.as_bytes())?;
        }
        archive.into_inner()?.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use operator_api::UserServiceSpec;

    use super::*;

    #[test]
    fn nothing_that_was_planted_is_in_the_archive() {
        let planted = [
            "planted-password-1",
            "planted-in-annotation",
            "ada@example.com",
            "s3cr3t-in-a-uri",
        ];
        let mut resource = UserService::new("users", UserServiceSpec::default());
        resource
            .annotations_mut()
            .insert(LAST_APPLIED.to_owned(), "planted-in-annotation".to_owned());
        let mut report = Report::default();
        report.add_object("userservice.yaml", &resource).unwrap();
        report.files.insert(
            "logs/users-1.log".to_owned(),
            "login planted-password-1 of ada@example.com at mongodb://a:s3cr3t-in-a-uri@db\nkept\n"
                .to_owned(),
        );
        report.missing.push("cannot get ada@example.com".to_owned());
        let path = std::env::temp_dir().join(format!("report-{}.tar", std::process::id()));
        let redactor = Redactor::new(["planted-password-1".to_owned()]).unwrap();
        report.pack(&redactor, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for secret in planted {
            assert!(!text.contains(secret), "{secret} is in the archive");
        }
        assert!(
            text.contains("kept") && text.contains("kind: UserService"),
            "what helps stays"
        );
    }
}
