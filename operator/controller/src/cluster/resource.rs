//! Writes to the resource itself: its status and our finalizer, never its spec.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
};
use operator_api::{CreatedTopic, TOPICS_FINALIZER, UserService, UserServiceStatus};
use operator_cluster::{bounded, is_conflict};
use operator_core::{children::MANAGER, merged_topics};
use serde_json::json;

use super::{Cluster, Error};

const KIND: &str = "UserService";
/// Attempts to report over changes that others make at the same time.
const REPORTS: u32 = 4;
/// Field manager of the finalizer alone, so that taking it away takes nothing else.
const FINALIZER_MANAGER: &str = "userservice-operator-finalizer";

impl Cluster<'_> {
    /// Writes the status of the resource, and never that of a successor of the same name, and
    /// tells what changed with it.
    pub(crate) async fn report(
        &self,
        resource: &UserService,
        status: &UserServiceStatus,
    ) -> Result<(), Error> {
        self.report_over_changes(resource, status).await?;
        self.tell(resource, status).await;
        Ok(())
    }

    /// Fails after the write if the resource was an outdated copy, in whose stead another pass noted
    /// topics: what was found out from it has to be looked at again.
    async fn report_over_changes(
        &self,
        resource: &UserService,
        status: &UserServiceStatus,
    ) -> Result<(), Error> {
        let mut version = resource.resource_version();
        let mut status = status.clone();
        let mut outdated = None;
        for attempt in 1.. {
            let refused = match self.report_at(version, &status).await {
                Err(Error::Api { source, .. }) if is_conflict(&source) => Error::Api {
                    verb: "report",
                    kind: KIND,
                    name: self.name.to_owned(),
                    source,
                },
                Ok(()) => return outdated.map_or(Ok(()), Err),
                answer => return answer,
            };
            if attempt == REPORTS {
                return Err(refused);
            }
            // Changed since it was read, be it by this very pass: what was found out is told all
            // the same, as long as it is the same resource.
            let live = bounded("get", KIND, self.name, self.resources().get(self.name)).await?;
            if live.uid() != resource.uid() {
                return Err(refused);
            }
            version = live.resource_version();
            let topics = merged_topics(noted(resource), &status.topics, noted(&live));
            if topics != status.topics {
                status.topics = topics;
                outdated = Some(refused);
            }
        }
        Ok(())
    }

    async fn report_at(
        &self,
        version: Option<String>,
        status: &UserServiceStatus,
    ) -> Result<(), Error> {
        let patch = json!({
            "apiVersion": UserService::api_version(&()),
            "kind": UserService::kind(&()),
            "metadata": {"resourceVersion": version},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        bounded(
            "report",
            KIND,
            self.name,
            self.resources()
                .patch_status(self.name, &params, &Patch::Apply(&patch)),
        )
        .await?;
        self.metrics.written("report", KIND);
        Ok(())
    }

    /// Sets our finalizer or takes it away. Others keep theirs.
    pub(crate) async fn hold(&self, resource: &UserService, hold: bool) -> Result<(), Error> {
        let (params, patch) = if hold {
            let patch = json!({
                "apiVersion": UserService::api_version(&()),
                "kind": UserService::kind(&()),
                // The UID keeps a resource that is gone by now from being made anew.
                "metadata": {"finalizers": [TOPICS_FINALIZER], "uid": resource.uid()},
            });
            let params = PatchParams::apply(FINALIZER_MANAGER).force();
            (params, Patch::Apply(patch))
        } else {
            let rest: Vec<&String> = resource
                .finalizers()
                .iter()
                .filter(|finalizer| *finalizer != TOPICS_FINALIZER)
                .collect();
            // No apply: it takes away only what its manager owns alone, and others may have set
            // ours, such as whoever restored the resource. The version keeps finalizers that came
            // meanwhile.
            let patch = json!({"metadata": {
                "finalizers": rest,
                "uid": resource.uid(),
                "resourceVersion": resource.resource_version(),
            }});
            (PatchParams::default(), Patch::Merge(patch))
        };
        bounded(
            "finalize",
            KIND,
            self.name,
            self.resources().patch(self.name, &params, &patch),
        )
        .await?;
        self.metrics.written("finalize", KIND);
        tracing::info!(hold, "finalizer");
        Ok(())
    }

    /// The namespace, if it is being deleted. Best effort: what cannot be read is taken as staying.
    pub(crate) async fn terminating(&self) -> Option<PartialObjectMeta<Namespace>> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let request = namespaces.get_metadata(self.namespace);
        match bounded("get", "Namespace", self.namespace, request).await {
            Ok(namespace) => {
                let is_going = namespace.metadata.deletion_timestamp.is_some();
                is_going.then_some(namespace)
            }
            Err(error) => {
                tracing::warn!(%error, "namespace");
                None
            }
        }
    }

    fn resources(&self) -> Api<UserService> {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}

/// Topics that the resource created, by its status.
fn noted(resource: &UserService) -> &[CreatedTopic] {
    let status = resource.status.as_ref();
    status.map_or(&[], |status| &status.topics)
}

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
