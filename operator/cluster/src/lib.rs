//! Dereference: what a resource refers to, read from the cluster.
//!
//! Shared by the operator and by the commands that people run, so that both plan from the same
//! world. Nothing here writes.

mod error;
mod pods;
mod secrets;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, Deployment},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GetParams, ListParams, TypeMeta},
};
use operator_api::UserService;
use operator_core::{
    ChildKind, Release, World, awaits_pods,
    children::{Certificate, INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER},
    needs_pods, secret_names,
};
use serde_json::Value;
use tokio::time::timeout;
use tracing::Instrument;

pub use error::{Error, is_conflict};
pub use secrets::SecretData;

/// Bound of one request to the API server, its own queueing included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// The children of one kind, each with its kind and name; nothing where the cluster does not know the
/// kind.
pub type Listed = Option<Vec<((ChildKind, String), Value)>>;

/// One resource's view of the cluster.
#[derive(Clone)]
pub struct Reader<'a> {
    /// The way to the API server.
    pub client: Client,
    /// Namespace of the resource.
    pub namespace: &'a str,
    /// Name of the resource.
    pub name: &'a str,
}

impl Reader<'_> {
    /// Reads the resource's children by label, and by name what a child would be called but does
    /// not carry the labels: an object of somebody else, or one of ours that lost them. Reads the
    /// Secrets that it refers to; the world gets digests of them. Reads pods only while some do not
    /// take calls. Of kinds that are `known` already no children are asked for.
    ///
    /// # Errors
    /// If the API server refuses a request or does not answer within [`REQUEST_TIMEOUT`].
    pub async fn dereference(
        &self,
        resource: &UserService,
        release: &Release,
        mut known: BTreeMap<ChildKind, Listed>,
    ) -> Result<(World, SecretData), Error> {
        let unknown = ChildKind::ALL.map(|kind| {
            let known = known.remove(&kind);
            async move {
                match known {
                    Some(listed) => Ok(listed),
                    None => self.children_of(resource, kind).await,
                }
            }
        });
        let (listed, data) = tokio::try_join!(try_join_all(unknown), self.secrets(resource))?;
        let mut world = World {
            secrets: data.digests(&resource.uid().unwrap_or_default()),
            issued: data.issued(),
            ..World::default()
        };
        for (kind, listed) in ChildKind::ALL.into_iter().zip(listed) {
            match listed {
                Some(children) => world.live.extend(children),
                None => _ = world.unknown.insert(kind),
            }
        }
        let wanted = operator_core::child_names(&world, resource, release);
        let missing = wanted.iter().filter(|(kind, name)| {
            !world.unknown.contains(kind) && world.get(*kind, name).is_none()
        });
        let missing = missing.map(|(kind, name)| self.get(*kind, name.clone()));
        for found in try_join_all(missing).await? {
            world.live.extend(found);
        }
        if needs_pods(&world, resource) {
            world.pods = self.pods().await?;
            world.failed_mounts = self.failed_mounts(&world.pods).await?;
            let mut jobs = wanted.iter().filter(|(kind, _)| *kind == ChildKind::Job);
            if let Some(uid) = jobs.find_map(|(_, job)| awaits_pods(&world, resource, job)) {
                world.refused_job = self.refused_job(uid).await?;
            }
        }
        Ok((world, data))
    }

    /// Children of this kind.
    pub fn api(&self, kind: ChildKind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.namespace, &api_resource(kind))
    }

    async fn secrets(&self, resource: &UserService) -> Result<SecretData, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let reads = secret_names(resource).into_iter().map(|name| {
            let api = &api;
            async move {
                let secret = bounded("get", "Secret", &name, api.get_opt(&name)).await?;
                Ok::<_, Error>(secret.map(|secret| (name.into_owned(), secret)))
            }
        });
        let mut data = SecretData::default();
        for (name, secret) in try_join_all(reads).await?.into_iter().flatten() {
            data.insert(name, secret);
        }
        Ok(data)
    }

    /// The children of one kind, by label; nothing where the cluster does not know the kind.
    ///
    /// # Errors
    /// As [`Reader::dereference`].
    pub async fn children(&self, kind: ChildKind) -> Result<Listed, Error> {
        let labels = format!(
            "{INSTANCE_LABEL}={},{MANAGED_BY_LABEL}={MANAGER}",
            self.name
        );
        let params = ListParams::default().labels(&labels);
        let list = match bounded("list", kind.name(), self.name, self.api(kind).list(&params)).await
        {
            // A list of a kind that is known is empty at the least.
            Err(error) if error.code() == Some(404) && kind.is_foreign() => return Ok(None),
            list => list?,
        };
        let items = list.items.into_iter().map(|object| live(kind, object));
        items.collect::<Result<_, _>>().map(Some)
    }

    /// The same; nothing also of a kind that may not be looked at and that the resource does not ask for.
    ///
    /// # Errors
    /// As [`Reader::dereference`].
    pub async fn children_of(
        &self,
        resource: &UserService,
        kind: ChildKind,
    ) -> Result<Listed, Error> {
        let tls = resource.spec.tls.as_ref();
        let is_asked_for = !kind.is_foreign() || tls.is_some_and(|tls| tls.certificate.is_some());
        match self.children(kind).await {
            Err(error) if error.code() == Some(403) && !is_asked_for => Ok(None),
            listed => listed,
        }
    }

    async fn get(
        &self,
        kind: ChildKind,
        name: String,
    ) -> Result<Option<((ChildKind, String), Value)>, Error> {
        // From the API server's memory: whoever makes what is not there is told if it is by then.
        let (api, params) = (self.api(kind), GetParams::any());
        let request = api.get_with(&name, &params);
        match bounded("get", kind.name(), &name, request).await {
            Err(error) if error.code() == Some(404) => Ok(None),
            found => live(kind, found?).map(Some),
        }
    }
}

/// The answer to a request, or that there was none within [`REQUEST_TIMEOUT`]; a failure is told
/// with what was asked, and so is what happens meanwhile, by a span, and how long it took.
///
/// # Errors
/// As said.
pub async fn bounded<T>(
    verb: &'static str,
    kind: &'static str,
    name: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    // Not `name`, which in a line of JSON is that of the span.
    let span = tracing::info_span!("request", verb, kind, object = name);
    let start = Instant::now();
    let answer = timeout(REQUEST_TIMEOUT, request)
        .instrument(span.clone())
        .await;
    let ok = matches!(answer, Ok(Ok(_)));
    let took_s = start.elapsed().as_secs_f64();
    span.in_scope(|| tracing::debug!(ok, took_s, "request ended"));
    match answer {
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

/// How the API server is asked for this kind.
pub fn api_resource(kind: ChildKind) -> ApiResource {
    match kind {
        ChildKind::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
        ChildKind::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
        ChildKind::ControllerRevision => ApiResource::erase::<ControllerRevision>(&()),
        ChildKind::Service => ApiResource::erase::<Service>(&()),
        ChildKind::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
        ChildKind::Certificate => ApiResource::erase::<Certificate>(&()),
        ChildKind::Job => ApiResource::erase::<Job>(&()),
        ChildKind::Deployment => ApiResource::erase::<Deployment>(&()),
        ChildKind::HorizontalPodAutoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ChildKind::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
    }
}

/// A child as the plan looks at it: with its type, and without who set which field.
pub fn pruned(kind: ChildKind, mut object: DynamicObject) -> DynamicObject {
    // The items of a list come without their type; what is desired has it.
    let resource = api_resource(kind);
    object.types = Some(TypeMeta {
        api_version: resource.api_version,
        kind: resource.kind,
    });
    object.metadata.managed_fields = None;
    object
}

/// A child as it goes into the world, with its kind and name.
///
/// # Errors
/// If it cannot be JSON, which would be a bug.
pub fn live(kind: ChildKind, object: DynamicObject) -> Result<((ChildKind, String), Value), Error> {
    let name = object.name_any();
    let value = serde_json::to_value(pruned(kind, object)).map_err(|source| Error::Json {
        kind: kind.name(),
        name: name.clone(),
        source,
    })?;
    Ok(((kind, name), value))
}
