//! The examples, one over the other.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use kube::api::DeleteParams;
use scenarios::{
    Scenario, backing,
    wait::{Seen, until},
};
use serde_json::{Value, json};

use crate::scenario;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The spec of an example.
pub(crate) fn example(file: &str) -> Result<Value> {
    let path = folder().join(file);
    let manifest = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest: Value = serde_yaml::from_str(&manifest)?;
    manifest.get("spec").cloned().context("spec")
}

#[tokio::test]
async fn the_full_example_can_be_applied_over_the_minimal_one_and_back() {
    scenario("examples", async |s| {
        s.ready_with(example("userservice.yaml")?).await?;
        s.ready_with(example("userservice-full.yaml")?).await?;
        // The autoscaler brings the number up to its least.
        s.pods_become(3).await?;
        s.ready_with(example("userservice.yaml")?).await?;
        s.pods_become(2).await
    })
    .await;
}

#[tokio::test]
async fn the_example_with_database_and_kafka_becomes_ready_on_real_servers() {
    scenario("servers", async |s| {
        let mut spec = example("userservice-mongodb-kafka.yaml")?;
        // What it names is of no machine's; all else is as it stands in the file.
        spec["storage"]["mongodb"]["database"] = json!(s.namespace);
        let kafka = &mut spec["events"]["kafka"];
        kafka["bootstrapServers"] = json!(backing::SASL_BROKERS);
        kafka["topicPrefix"] = json!(backing::prefix(s));
        kafka["schemaRegistry"]["url"] = json!(backing::REGISTRY);
        // Or they would stay on the bed.
        kafka["topics"]["reclaimPolicy"] = json!("Delete");

        backing::connect_to(s, backing::DATABASE).await?;
        let credentials = backing::kafka_credentials(s).await?;
        s.write_secret("users-kafka", &credentials).await?;
        // The registry of the bed lets everybody in.
        let anybody = json!({"username": "users", "password": "any"});
        s.write_secret("users-registry", &anybody).await?;
        s.ready_with(spec).await?;
        s.pods_become(3).await
    })
    .await;
}

/// Applies a spec to `users`, paused so that nothing is made of it; what is stored then.
async fn stored(s: &Scenario, spec: &Value) -> Result<Value> {
    let mut spec = spec.clone();
    let fields = spec.as_object_mut().context("fields")?;
    fields.insert("pause".to_owned(), json!({}));
    Ok(serde_json::to_value(s.apply(spec).await?.spec)?)
}

#[tokio::test]
async fn every_example_can_be_applied_over_every_other_one_and_leaves_nothing_of_it() {
    scenario("pairs", async |s| {
        let mut examples = Vec::new();
        for file in fs::read_dir(folder())? {
            let name = file?.file_name().to_string_lossy().into_owned();
            let spec = example(&name)?;
            let alone = stored(s, &spec).await?;
            s.resources()
                .delete("users", &DeleteParams::default())
                .await?;
            until("users is gone", Duration::from_secs(30), || async {
                let left = s.resources().get_opt("users").await?;
                Ok(Seen::when(left.is_none(), (), left))
            })
            .await?;
            examples.push((name, spec, alone));
        }
        ensure!(examples.len() > 3, "{} examples", examples.len());
        for (first, before, _) in &examples {
            for (second, after, alone) in &examples {
                stored(s, before).await?;
                let over = stored(s, after)
                    .await
                    .with_context(|| format!("{second} over {first}"))?;
                ensure!(over == *alone, "{second} over {first}: {over}");
            }
        }
        Ok(())
    })
    .await;
}
