//! A resource that is paused.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    api::apps::v1::Deployment,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use operator_api::PAUSED_ANNOTATION;
use scenarios::{
    Scenario,
    wait::{Seen, takeover, until},
};
use serde_json::{Value, json};

use crate::scenario;

/// A pause that ends by itself; long enough to be told.
const SHORT: Duration = Duration::from_secs(20);

/// Waits until `Ready` has this reason, and answers its message.
async fn reason(s: &Scenario, reason: &str) -> Result<String> {
    let what = format!("Ready says {reason}");
    until(&what, Duration::from_secs(30), || async {
        let status = s.resources().get("users").await?.status.unwrap_or_default();
        let ready = status.conditions.iter().find(|one| one.type_ == "Ready");
        let message = ready.filter(|ready| ready.reason == reason);
        let message = message.map(|ready| ready.message.clone());
        Ok(message.map_or_else(|| Seen::NotYet(format!("{status:?}")), Seen::Yes))
    })
    .await
}

async fn annotate(s: &Scenario, value: Value) -> Result<()> {
    let annotations = json!({"metadata": {"annotations": {PAUSED_ANNOTATION: value}}});
    s.resources()
        .patch("users", &PatchParams::default(), &Patch::Merge(annotations))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_paused_resource_is_left_alone_until_the_pause_is_taken_away_or_over() {
    scenario("pause", async |s| {
        let deployments: Api<Deployment> = Api::namespaced(s.client(), &s.namespace);
        s.ready_with(json!({})).await?;
        annotate(s, json!("true")).await?;
        s.apply(json!({"replicas": 3})).await?;
        let message = reason(s, "ChangesPaused").await?;
        ensure!(message.contains("Deployment users"), "{message}");
        // Somebody works by hand meanwhile, and what the operator does otherwise is to put that back.
        let by_hand = json!({"spec": {"replicas": 1}});
        let edited = deployments
            .patch("users", &PatchParams::default(), &Patch::Merge(by_hand))
            .await?;
        s.pods_become(1).await?;
        let left = deployments.get("users").await?;
        ensure!(
            left.metadata.generation == edited.metadata.generation,
            "the operator wrote the Deployment: {left:?}"
        );
        annotate(s, Value::Null).await?;
        s.ready().await?;
        let replicas = deployments.get("users").await?.spec.context("spec")?;
        ensure!(replicas.replicas == Some(3), "{replicas:?}");

        let until = Timestamp::now() + SignedDuration::try_from(SHORT + takeover())?;
        s.apply(json!({"replicas": 2, "pause": {"until": until.to_string()}}))
            .await?;
        reason(s, "ChangesPaused").await?;
        s.ready().await?;
        ensure!(Timestamp::now() >= until, "it went on before {until}");
        s.pods_become(2).await
    })
    .await;
}
