//! Commands that change something.

use std::io::Write;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use operator_api::{PAUSED_ANNOTATION, UserService};
use operator_cluster::bounded;
use operator_commands::Connection;
use operator_core::children::INSTANCE_LABEL;
use serde_json::json;

use crate::error::Error;

/// Labels of the pods of a resource: of the service, or of its preparation.
pub(crate) fn selector(application: &str, name: &str) -> String {
    format!("app.kubernetes.io/name={application},{INSTANCE_LABEL}={name}")
}

pub(crate) fn resources(connection: &Connection) -> Api<UserService> {
    Api::namespaced(connection.client.clone(), &connection.namespace)
}

pub(crate) async fn get(connection: &Connection, name: &str) -> Result<UserService, Error> {
    Ok(bounded("get", "UserService", name, resources(connection).get(name)).await?)
}

/// Replaces the pods, as `kubectl rollout restart` does: by an annotation of the template that the
/// operator leaves alone.
pub(crate) async fn restart(connection: &Connection, name: &str) -> Result<(), Error> {
    get(connection, name).await?;
    let deployments: Api<Deployment> =
        Api::namespaced(connection.client.clone(), &connection.namespace);
    bounded("restart", "Deployment", name, deployments.restart(name)).await?;
    told(&format!(
        "{name}: pods are being replaced; kubectl userservice status {name} --watch shows how it goes"
    ))
}

pub(crate) async fn scale(connection: &Connection, name: &str, replicas: i32) -> Result<(), Error> {
    let resource = get(connection, name).await?;
    if resource.spec.autoscaling.is_some() {
        return Err(Error::Autoscaled(name.to_owned()));
    }
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let api = resources(connection);
    let params = PatchParams::default();
    let request = api.patch_scale(name, &params, &patch);
    bounded("scale", "UserService", name, request).await?;
    told(&format!(
        "{name}: {} -> {replicas} pods",
        resource.spec.replicas
    ))
}

/// Pauses a resource, for a time or until it is resumed.
pub(crate) async fn pause(
    connection: &Connection,
    name: &str,
    duration: Option<SignedDuration>,
    reason: Option<String>,
) -> Result<(), Error> {
    let until = duration.map(|duration| Timestamp::now() + duration);
    // What is null takes away what an earlier pause said.
    let pause = json!({"until": until.map(Time), "reason": reason});
    let patch = Patch::Merge(json!({"spec": {"pause": pause}}));
    let api = resources(connection);
    let params = PatchParams::default();
    let request = api.patch(name, &params, &patch);
    bounded("pause", "UserService", name, request).await?;
    let until = until.map_or_else(String::new, |until| format!(" until {until}"));
    told(&format!(
        "{name}: paused{until}; kubectl userservice resume {name} ends it"
    ))
}

/// Ends a pause, whichever way it was set.
pub(crate) async fn resume(connection: &Connection, name: &str) -> Result<(), Error> {
    let resource = get(connection, name).await?;
    let is_annotated = resource.annotations().contains_key(PAUSED_ANNOTATION);
    if resource.spec.pause.is_none() && !is_annotated {
        return told(&format!("{name}: is not paused"));
    }
    let patch = Patch::Merge(json!({
        "metadata": {"annotations": {PAUSED_ANNOTATION: null}},
        "spec": {"pause": null},
    }));
    let api = resources(connection);
    let params = PatchParams::default();
    let request = api.patch(name, &params, &patch);
    bounded("resume", "UserService", name, request).await?;
    told(&format!("{name}: resumed"))
}

/// Name of a pod of the service that runs.
pub(crate) async fn running_pod(connection: &Connection, name: &str) -> Result<String, Error> {
    get(connection, name).await?;
    let pods: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let params = ListParams::default().labels(&selector("user-service", name));
    let listed = bounded("list", "Pod", name, pods.list(&params)).await?;
    let runs = |pod: &&Pod| {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
    };
    let pod = listed.items.iter().find(runs).map(ResourceExt::name_any);
    pod.ok_or_else(|| Error::NoPod(name.to_owned()))
}

pub(crate) fn told(text: &str) -> Result<(), Error> {
    Ok(writeln!(anstream::stdout(), "{text}")?)
}
