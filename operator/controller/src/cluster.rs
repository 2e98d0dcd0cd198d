//! The only two steps that touch the cluster: dereference, which is shared with the commands, and apply.

mod events;
mod resource;

use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use operator_api::UserService;
pub(crate) use operator_cluster::Error;
use operator_cluster::{Reader, SecretData, bounded};
use operator_core::{
    Child, ChildKind, Delete, Plan, Release, World,
    children::{MANAGER, REPLICAS_MANAGER},
};

use crate::metrics::Metrics;

/// One resource's view of the cluster.
pub(crate) struct Cluster<'a> {
    pub(crate) client: Client,
    pub(crate) metrics: &'a Metrics,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Cluster<'_> {
    /// What the resource refers to, as [`Reader::dereference`] reads it.
    pub(crate) async fn dereference(
        &self,
        resource: &UserService,
        release: &Release,
    ) -> Result<(World, SecretData), Error> {
        self.reader().dereference(resource, release).await
    }

    /// Writes, deletes and reports what the plan says, in that order.
    pub(crate) async fn apply(&self, resource: &UserService, plan: &Plan) -> Result<(), Error> {
        if let Some(child) = &plan.hand_over {
            self.write(child, REPLICAS_MANAGER).await?;
        }
        for child in &plan.writes {
            self.write(child, MANAGER).await?;
        }
        for delete in &plan.deletes {
            self.delete(delete).await?;
        }
        if let Some(status) = &plan.status {
            self.report(resource, status).await?;
        }
        Ok(())
    }

    async fn write(&self, child: &Child, manager: &str) -> Result<(), Error> {
        let params = PatchParams::apply(manager).force();
        let patch = Patch::Apply(&child.object);
        let api = self.api(child.kind);
        bounded(
            "apply",
            child.kind.name(),
            &child.name,
            api.patch(&child.name, &params, &patch),
        )
        .await?;
        self.metrics.written("apply", child.kind.name());
        tracing::info!(
            namespace = self.namespace,
            resource = self.name,
            kind = child.kind.name(),
            name = child.name,
            "applied"
        );
        Ok(())
    }

    pub(crate) async fn delete(&self, delete: &Delete) -> Result<(), Error> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(delete.uid.clone()),
                resource_version: None,
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
            // Gone, or another object by now: either way the one that was meant is no more.
            Err(Error::Api { source, .. }) if is_gone(&source) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                self.metrics.written("delete", delete.kind.name());
                tracing::info!(
                    namespace = self.namespace,
                    resource = self.name,
                    kind = delete.kind.name(),
                    name = delete.name,
                    "deleted"
                );
                Ok(())
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

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found() || status.is_conflict())
}
