//! How soon a change is answered by the operator, on the clock of the API server alone: by the times that it notes
//! for who manages which fields, in whole seconds.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Secret, Service},
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use scenarios::{
    Scenario,
    wait::{Seen, until},
};
use serde_json::{Value, json};

use crate::scenario;

const OPERATOR: &str = "userservice-operator";
const SOMEBODY: &str = "somebody";
/// Bound for each of the answers.
const ANSWERED: Duration = Duration::from_secs(20);
/// Bound for the middle one of them, seconds. A single one may meet a busy machine or a new leader.
const USUAL: i64 = 2;
const TIMES: usize = 5;

/// When a manager wrote last, in seconds.
fn written(object: &impl ResourceExt, manager: &str) -> Option<i64> {
    let entries = object.managed_fields().iter();
    let of_it = entries
        .filter(|entry| entry.manager.as_deref() == Some(manager) && entry.subresource.is_none());
    of_it
        .filter_map(|entry| Some(entry.time.as_ref()?.0.as_second()))
        .max()
}

fn edit(change: &Value) -> (PatchParams, Patch<&Value>) {
    let manager = PatchParams {
        field_manager: Some(SOMEBODY.to_owned()),
        ..PatchParams::default()
    };
    (manager, Patch::Merge(change))
}

/// Seconds until an edit of the Service is undone.
async fn undone(s: &Scenario, turn: usize) -> Result<i64> {
    let services: Api<Service> = Api::namespaced(s.client(), &s.namespace);
    let elsewhere = format!("elsewhere-{turn}");
    let change = json!({
        "metadata": {"annotations": {"team-a.example/turn": elsewhere}},
        "spec": {"selector": {"app.kubernetes.io/instance": elsewhere}},
    });
    let (manager, patch) = edit(&change);
    let edited = services.patch("users", &manager, &patch).await?;
    let edited = written(&edited, SOMEBODY).context("the edit is noted")?;
    let undone = until("the edit is undone", ANSWERED, || async {
        let live = services.get("users").await?;
        let selector = live.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        let instance = selector.and_then(|labels| labels.get("app.kubernetes.io/instance"));
        let is_ours = instance.is_some_and(|instance| instance == "users");
        let instance = instance.cloned();
        Ok(Seen::when(is_ours, live, instance))
    })
    .await?;
    Ok(written(&undone, OPERATOR).context("the answer is noted")? - edited)
}

/// Seconds until the Deployment has pods of its own for a changed Secret.
async fn rolled(s: &Scenario, turn: usize) -> Result<i64> {
    let deployments: Api<Deployment> = Api::namespaced(s.client(), &s.namespace);
    let secrets: Api<Secret> = Api::namespaced(s.client(), &s.namespace);
    let before = digest(&deployments.get("users").await?);
    let change = json!({"stringData": {"text": format!("granted {turn}")}});
    let (manager, patch) = edit(&change);
    let changed = secrets.patch("licence", &manager, &patch).await?;
    let changed = written(&changed, SOMEBODY).context("the change is noted")?;
    let rolled = until("the pods are rolled", ANSWERED, || async {
        let live = deployments.get("users").await?;
        let digest = digest(&live);
        Ok(Seen::when(digest != before, live, &before))
    })
    .await?;
    Ok(written(&rolled, OPERATOR).context("the answer is noted")? - changed)
}

fn digest(deployment: &Deployment) -> Option<String> {
    let template = &deployment.spec.as_ref()?.template;
    let annotations = template.metadata.as_ref()?.annotations.as_ref()?;
    annotations.get("usersvc.dev/secrets-hash").cloned()
}

#[tokio::test]
async fn a_foreign_edit_and_a_changed_secret_are_answered_within_two_seconds() {
    scenario("answered", async |s| {
        s.write_secret("licence", &json!({"text": "granted"}))
            .await?;
        let licence = json!({"secretKeyRef": {"name": "licence", "key": "text"}});
        let variable = json!({"name": "LICENCE", "valueFrom": licence});
        s.ready_with(json!({"replicas": 1, "pod": {"env": [variable]}}))
            .await?;

        let (mut edits, mut changes) = (Vec::new(), Vec::new());
        for turn in 0..TIMES {
            edits.push(undone(s, turn).await?);
            changes.push(rolled(s, turn).await?);
        }
        println!("seconds until edits were undone {edits:?}, and pods rolled {changes:?}");
        for mut seconds in [edits, changes] {
            seconds.sort_unstable();
            ensure!(
                seconds.iter().all(|seconds| *seconds >= 0),
                "answered before: {seconds:?}"
            );
            let middle = seconds.get(TIMES / 2);
            ensure!(
                middle.is_some_and(|middle| *middle <= USUAL),
                "more than {USUAL} s: {seconds:?}"
            );
        }
        s.ready().await?;
        Ok(())
    })
    .await;
}
