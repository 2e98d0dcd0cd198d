//! The operator is away, and life goes on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use scenarios::{
    Scenario,
    load::{Load, RATE},
    release::run_operators,
    wait::{Seen, until},
};
use serde_json::json;

use crate::scenario;

#[tokio::test]
async fn without_an_operator_resources_can_be_read_and_written_and_the_service_answers() {
    scenario("away", async |s| {
        s.ready_with(json!({})).await?;
        s.apply_as("old", json!({"replicas": 1})).await?;
        s.ready_as("old").await?;
        let workers = s.cluster.workers().await?;
        let load = Load::start(s, RATE, &workers[1], "users:8080", "pick_first").await?;
        run_operators(s, 0).await?;
        let outcome = write_meanwhile(s).await;
        let answered = load.after(5.0).await;
        run_operators(s, 2).await?;
        outcome?;
        answered?.assert_no_call_failed()?;

        s.ready().await?;
        s.pods_become(3).await?;
        s.ready_as("new").await?;
        load.after(5.0).await?.assert_no_call_failed()
    })
    .await;
}

/// All that somebody does with resources.
async fn write_meanwhile(s: &Scenario) -> Result<()> {
    let resources = s.resources();
    ensure!(resources.list(&ListParams::default()).await?.items.len() == 2);
    let before = resources.get("users").await?;

    let scale = json!({"spec": {"replicas": 3}});
    resources
        .patch_scale("users", &PatchParams::default(), &Patch::Merge(&scale))
        .await?;
    let after = resources.get("users").await?;
    ensure!(
        after.metadata.generation > before.metadata.generation
            && after.status.map(|status| status.observed_generation)
                == before.status.map(|status| status.observed_generation),
        "nobody acts on it yet"
    );
    s.apply_as("new", json!({"replicas": 1})).await?;

    resources.delete("old", &DeleteParams::default()).await?;
    until("old is gone", Duration::from_secs(60), || async {
        let services: Api<Service> = Api::namespaced(s.client(), &s.namespace);
        let resource = resources.get_opt("old").await?;
        let child = services.get_opt("old").await?;
        Ok(Seen::when(
            resource.is_none() && child.is_none(),
            (),
            resource,
        ))
    })
    .await
    .context("nothing holds the deletion up")
}
