//! The only two steps that touch the cluster: dereference, which is shared with the commands, and apply.

mod events;
mod resource;

use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use operator_api::UserService;
pub(crate) use operator_cluster::Error;
use operator_cluster::{Reader, SecretData, bounded, live};
use operator_core::{
    Child, ChildKind, Delete, Plan, Release, World,
    children::{MANAGER, REPLICAS_MANAGER},
};
use serde_json::{Value, json};

use crate::{metrics::Metrics, watching::Children};

/// A resourceVersion that no object has. The API server disregards it when it creates, and refuses
/// to apply it to an object.
const NO_VERSION: &str = "1";

/// One resource's view of the cluster.
pub(crate) struct Cluster<'a> {
    pub(crate) client: Client,
    pub(crate) metrics: &'a Metrics,
    /// What is known of the children in this namespace.
    pub(crate) children: Children,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Cluster<'_> {
    /// What the resource refers to, as [`Reader::dereference`] reads it where it is not known.
    pub(crate) async fn dereference(
        &self,
        resource: &UserService,
        release: &Release,
    ) -> Result<(World, SecretData), Error> {
        let known = self.children.of(self.namespace, self.name);
        self.reader().dereference(resource, release, known).await
    }

    /// Writes and deletes what the plan says, in that order. `world` is what it was made from, and gets
    /// what comes of the writes. Answers whether all was deleted that was to be.
    pub(crate) async fn apply(&self, world: &mut World, plan: &Plan) -> Result<bool, Error> {
        if let Some(child) = &plan.hand_over {
            self.write(child, world, REPLICAS_MANAGER).await?;
        }
        for child in &plan.writes {
            self.write(child, world, MANAGER).await?;
        }
        let mut all = true;
        for delete in &plan.deletes {
            all &= self.delete(delete).await?;
        }
        Ok(all)
    }

    async fn write(&self, child: &Child, world: &mut World, manager: &str) -> Result<(), Error> {
        let object = as_seen(child, world, manager == REPLICAS_MANAGER);
        let params = PatchParams::apply(manager).force();
        let patch = Patch::Apply(&object);
        let api = self.api(child.kind);
        let written = bounded(
            "apply",
            child.kind.name(),
            &child.name,
            api.patch(&child.name, &params, &patch),
        )
        .await;
        let written = match written {
            Err(error) => {
                // What was known may be gone, or another's by now.
                if matches!(error.code(), Some(404 | 409 | 422)) {
                    self.children.doubt(child.kind, self.namespace, &child.name);
                }
                return Err(error);
            }
            Ok(written) => written,
        };
        self.children.wrote(child.kind, &written);
        self.metrics.written("apply", child.kind.name());
        tracing::info!(kind = child.kind.name(), name = child.name, "applied");
        world.live.extend([live(child.kind, written)?]);
        world.written.insert(child.kind);
        Ok(())
    }

    /// Deletes the very object that was seen, and in no later state of it. Answers whether it did; what
    /// was changed meanwhile has to be looked at again.
    pub(crate) async fn delete(&self, delete: &Delete) -> Result<bool, Error> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(delete.uid.clone()),
                resource_version: Some(delete.resource_version.clone()),
            }),
            ..if delete.foreground {
                DeleteParams::foreground()
            } else {
                DeleteParams::background()
            }
        };
        let api = self.api(delete.kind);
        let request = api.delete(&delete.name, &params);
        match bounded("delete", delete.kind.name(), &delete.name, request).await {
            Err(error) if error.code() == Some(404) => {
                self.children
                    .doubt(delete.kind, self.namespace, &delete.name);
                Ok(true)
            }
            Err(error) if error.code() == Some(409) => {
                tracing::info!(%error, "changed before its delete");
                Ok(false)
            }
            Err(error) => Err(error),
            Ok(_) => {
                self.metrics.written("delete", delete.kind.name());
                tracing::info!(kind = delete.kind.name(), name = delete.name, "deleted");
                Ok(true)
            }
        }
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            client: self.client.clone(),
            namespace: self.namespace,
            name: self.name,
        }
    }

    fn api(&self, kind: ChildKind) -> Api<DynamicObject> {
        self.reader().api(kind)
    }
}

/// The child, to be applied only to the very object that was seen or, where none was, only if there
/// is none still: another one of the name is somebody's. Where it takes over what it saw, to no later
/// state of that either.
fn as_seen(child: &Child, world: &World, takes_over: bool) -> Value {
    let seen = world.get(child.kind, &child.name);
    let seen = |field: &str| Some(seen?.get("metadata")?.get(field)?.clone());
    let mut object = child.object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let version = match seen("uid") {
            Some(uid) => {
                metadata.insert("uid".to_owned(), uid);
                seen("resourceVersion").filter(|_| takes_over)
            }
            None => Some(json!(NO_VERSION)),
        };
        metadata.extend(version.map(|version| ("resourceVersion".to_owned(), version)));
    }
    object
}

#[cfg(test)]
#[path = "cluster/write_tests.rs"]
mod write_tests;
