//! Writes to the resource itself: its status and our finalizer, never its spec.

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use operator_api::{TOPICS_FINALIZER, UserService, UserServiceStatus};
use operator_core::children::MANAGER;
use serde_json::json;

use super::{Cluster, Error};

const KIND: &str = "UserService";
/// Field manager of the finalizer alone, so that taking it away takes nothing else.
const FINALIZER_MANAGER: &str = "userservice-operator-finalizer";

impl Cluster<'_> {
    /// Writes the status of the resource.
    pub(crate) async fn report(&self, status: &UserServiceStatus) -> Result<(), Error> {
        let patch = json!({
            "apiVersion": UserService::api_version(&()),
            "kind": UserService::kind(&()),
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        self.bounded(
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
        let finalizers = if hold { vec![TOPICS_FINALIZER] } else { vec![] };
        let patch = json!({
            "apiVersion": UserService::api_version(&()),
            "kind": UserService::kind(&()),
            // The UID keeps a resource that is gone by now from being made anew.
            "metadata": {"finalizers": finalizers, "uid": resource.uid()},
        });
        let params = PatchParams::apply(FINALIZER_MANAGER).force();
        self.bounded(
            "finalize",
            KIND,
            self.name,
            self.resources()
                .patch(self.name, &params, &Patch::Apply(&patch)),
        )
        .await?;
        self.metrics.written("finalize", KIND);
        tracing::info!(
            namespace = self.namespace,
            resource = self.name,
            hold,
            "finalizer"
        );
        Ok(())
    }

    fn resources(&self) -> Api<UserService> {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}
