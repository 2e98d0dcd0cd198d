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

use crate::{
    error::Error,
    kubectl::CONTAINER,
    pods::{is_running, statuses},
};

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
    let resource = get(connection, name).await?;
    let deployments: Api<Deployment> =
        Api::namespaced(connection.client.clone(), &connection.namespace);
    let deployment = bounded("get", "Deployment", name, deployments.get(name)).await?;
    let mut owners = deployment.owner_references().iter();
    if !owners.any(|owner| Some(&owner.uid) == resource.uid().as_ref()) {
        return Err(Error::NotOurs(name.to_owned()));
    }
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

/// Name of a pod of the service that a command can be run in.
pub(crate) async fn running_pod(connection: &Connection, name: &str) -> Result<String, Error> {
    get(connection, name).await?;
    let pods: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let params = ListParams::default().labels(&selector("user-service", name));
    let listed = bounded("list", "Pod", name, pods.list(&params)).await?;
    let pod = fit(&listed.items).map(ResourceExt::name_any);
    pod.ok_or_else(|| Error::NoPod(name.to_owned()))
}

/// A pod in which a command of the service can be run: one that is ready, or else one whose container runs. The
/// phase tells neither: it is `Running` too where the container crashes again and again.
fn fit(pods: &[Pod]) -> Option<&Pod> {
    let is_ready = |pod: &&Pod| {
        let conditions = pod
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        conditions
            .clone()
            .any(|one| one.type_ == "Ready" && one.status == "True")
    };
    let runs = |pod: &&Pod| {
        statuses(pod).any(|container| container.name == CONTAINER && is_running(container))
    };
    let stays = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none() && runs(pod);
    let mut staying = pods.iter().filter(stays);
    staying.clone().find(is_ready).or_else(|| staying.next())
}

pub(crate) fn told(text: &str) -> Result<(), Error> {
    Ok(writeln!(anstream::stdout(), "{text}")?)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use http::Method;
    use serde_json::Value;

    use super::*;
    use crate::testing::{answer, connection};

    fn pod(name: &str, ready: &str, state: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": ready}],
                "containerStatuses": [{
                    "name": CONTAINER, "image": "", "imageID": "", "ready": false, "restartCount": 1,
                    "state": {state: {}},
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_command_is_given_to_a_pod_that_can_take_it() {
        let crashes = pod("a", "False", "waiting");
        let starts = pod("b", "False", "running");
        let ready = pod("c", "True", "running");
        let named = |pods: &[Pod]| fit(pods).map(ResourceExt::name_any);
        assert_eq!(named(std::slice::from_ref(&crashes)), None);
        assert_eq!(named(&[crashes.clone(), starts.clone()]).unwrap(), "b");
        assert_eq!(named(&[crashes, starts, ready.clone()]).unwrap(), "c");
        let mut goes = ready;
        goes.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
        assert_eq!(named(&[goes]), None);
    }

    /// The error of a restart beside a Deployment of this owner, and whether it was written to.
    async fn restarted(owner: Value) -> (Option<Error>, bool) {
        let patched = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&patched);
        let connection = connection(move |request| {
            if request.method() == Method::PATCH {
                seen.store(true, Ordering::SeqCst);
            }
            answer(&if request.uri().path().contains("deployments") {
                json!({"metadata": {"name": "users", "ownerReferences": owner}})
            } else {
                let meta = json!({"name": "users", "uid": "uid-of-users"});
                json!({"apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService", "metadata": meta, "spec": {}})
            })
        });
        let error = restart(&connection, "users").await.err();
        (error, patched.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn pods_of_others_are_not_restarted() {
        let owner = |uid: &str| json!([{"apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService", "name": "users", "uid": uid}]);
        let (error, patched) = restarted(owner("another")).await;
        assert!(matches!(error, Some(Error::NotOurs(_))), "{error:?}");
        assert!(!patched);
        let (error, patched) = restarted(owner("uid-of-users")).await;
        assert!(error.is_none() && patched, "{error:?}");
    }
}
