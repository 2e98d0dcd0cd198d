//! The only two steps that touch the cluster: dereference and apply.

mod resource;

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions,
        TypeMeta,
    },
};
use operator_api::UserService;
use operator_core::{
    Child, ChildKind, Delete, Plan, Release, World,
    children::{INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER, REPLICAS_MANAGER},
    secret_names,
};
use serde_json::Value;

use crate::{metrics::Metrics, secrets::SecretData};

/// Bound of one request to the API server, its own queueing included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Why the cluster could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{verb} {kind} {name}: {}", said(source))]
    Api {
        verb: &'static str,
        kind: &'static str,
        name: String,
        source: Box<kube::Error>,
    },
    #[error("{verb} {kind} {name}: no answer within {REQUEST_TIMEOUT:?}")]
    Timeout {
        verb: &'static str,
        kind: &'static str,
        name: String,
    },
    #[error("{kind} {name}: cannot be read as JSON: {source}")]
    Json {
        kind: &'static str,
        name: String,
        source: serde_json::Error,
    },
}

impl Error {
    /// What the API server said, if it understood a request and refused it: a quota, a policy, a
    /// missing right. An outage, a throttle or a race is no refusal.
    pub(crate) fn refusal(&self) -> Option<String> {
        let Self::Api { source, .. } = self else {
            return None;
        };
        match source.as_ref() {
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
                Some(self.to_string())
            }
            _ => None,
        }
    }
}

/// The API server's own words where it spoke; the client's text for it holds them twice.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// One resource's view of the cluster.
pub(crate) struct Cluster<'a> {
    pub(crate) client: Client,
    pub(crate) metrics: &'a Metrics,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Cluster<'_> {
    /// Reads the resource's children by label, and by name what a child would be called but does
    /// not carry the labels: an object of somebody else, or one of ours that lost them. Reads the
    /// Secrets that it refers to; the world gets digests of them.
    pub(crate) async fn dereference(
        &self,
        resource: &UserService,
        release: &Release,
    ) -> Result<(World, SecretData), Error> {
        let (listed, data) = tokio::try_join!(
            try_join_all(ChildKind::ALL.map(|kind| self.list(kind))),
            self.secrets(resource),
        )?;
        let mut world = World {
            live: listed.into_iter().flatten().collect(),
            secrets: data.digests(&resource.uid().unwrap_or_default()),
            ..World::default()
        };
        let missing = operator_core::child_names(resource, release, &world.secrets)
            .into_iter()
            .filter(|(kind, name)| world.get(*kind, name).is_none());
        for found in try_join_all(missing.map(|(kind, name)| self.get(kind, name))).await? {
            world.live.extend(found);
        }
        Ok((world, data))
    }

    async fn secrets(&self, resource: &UserService) -> Result<SecretData, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let reads = secret_names(resource).into_iter().map(|name| {
            let request = api.get_opt(name);
            async move {
                let secret = self.bounded("get", "Secret", name, request).await?;
                Ok::<_, Error>(secret.map(|secret| (name.to_owned(), secret)))
            }
        });
        let mut data = SecretData::default();
        for (name, secret) in try_join_all(reads).await?.into_iter().flatten() {
            data.insert(name, secret);
        }
        Ok(data)
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

    async fn list(&self, kind: ChildKind) -> Result<Vec<((ChildKind, String), Value)>, Error> {
        let labels = format!(
            "{INSTANCE_LABEL}={},{MANAGED_BY_LABEL}={MANAGER}",
            self.name
        );
        let params = ListParams::default().labels(&labels);
        let list = self
            .bounded("list", kind.name(), self.name, self.api(kind).list(&params))
            .await?;
        list.items
            .into_iter()
            .map(|object| live(kind, object))
            .collect()
    }

    async fn get(
        &self,
        kind: ChildKind,
        name: String,
    ) -> Result<Option<((ChildKind, String), Value)>, Error> {
        let found = self
            .bounded("get", kind.name(), &name, self.api(kind).get_opt(&name))
            .await?;
        found.map(|object| live(kind, object)).transpose()
    }

    async fn write(&self, child: &Child, manager: &str) -> Result<(), Error> {
        let params = PatchParams::apply(manager).force();
        let patch = Patch::Apply(&child.object);
        let api = self.api(child.kind);
        self.bounded(
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
        match self
            .bounded(
                "delete",
                delete.kind.name(),
                &delete.name,
                api.delete(&delete.name, &params),
            )
            .await
        {
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

    fn api(&self, kind: ChildKind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.namespace, &api_resource(kind))
    }

    async fn bounded<T>(
        &self,
        verb: &'static str,
        kind: &'static str,
        name: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(answer) => answer.map_err(|source| Error::Api {
                verb,
                kind,
                name: name.to_owned(),
                source: Box::new(source),
            }),
            Err(_) => Err(Error::Timeout {
                verb,
                kind,
                name: name.to_owned(),
            }),
        }
    }
}

fn api_resource(kind: ChildKind) -> ApiResource {
    match kind {
        ChildKind::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
        ChildKind::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
        ChildKind::Service => ApiResource::erase::<Service>(&()),
        ChildKind::Job => ApiResource::erase::<Job>(&()),
        ChildKind::Deployment => ApiResource::erase::<Deployment>(&()),
        ChildKind::HorizontalPodAutoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ChildKind::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
    }
}

fn live(kind: ChildKind, mut object: DynamicObject) -> Result<((ChildKind, String), Value), Error> {
    // The items of a list come without their type; what is desired has it.
    let resource = api_resource(kind);
    object.types = Some(TypeMeta {
        api_version: resource.api_version,
        kind: resource.kind,
    });
    object.metadata.managed_fields = None;
    let name = object.name_any();
    let value = serde_json::to_value(object).map_err(|source| Error::Json {
        kind: kind.name(),
        name: name.clone(),
        source,
    })?;
    Ok(((kind, name), value))
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found() || status.is_conflict())
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answered(code: u16) -> Error {
        let status = Status::failure("exceeded quota: compute", "Forbidden").with_code(code);
        Error::Api {
            verb: "apply",
            kind: "Deployment",
            name: "users".to_owned(),
            source: Box::new(kube::Error::Api(Box::new(status))),
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_api_server() {
        let refusal = answered(403).refusal();
        assert_eq!(
            refusal.as_deref(),
            Some("apply Deployment users: exceeded quota: compute")
        );
    }

    #[test]
    fn an_outage_a_throttle_and_a_race_are_no_refusal() {
        for code in [409, 429, 500, 503] {
            assert_eq!(answered(code).refusal(), None, "{code}");
        }
    }
}
