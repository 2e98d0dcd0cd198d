//! Tools that apply the same files again and again and compare, as Argo CD and Flux do.

use std::{path::Path, process::Output, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt};
use operator_api::SKIP_TOPIC_DELETION;
use scenarios::{
    Scenario,
    audit::{Audit, Entry},
    wait::{Seen, until},
};
use tokio::process::Command;

use crate::{operator::rests, scenario};

/// Who applies.
const MANAGER: &str = "--field-manager=argocd-controller";
/// How long the operator must not write after somebody else did.
const PEACE: Duration = Duration::from_secs(20);

async fn kubectl(s: &Scenario, arguments: &[&str]) -> Result<Output> {
    Command::new("kubectl")
        .args(["--namespace", &s.namespace, "--request-timeout=30s"])
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .context("kubectl")
}

/// What it prints, where it succeeds.
async fn told(s: &Scenario, arguments: &[&str]) -> Result<String> {
    let output = kubectl(s, arguments).await?;
    ensure!(
        output.status.success(),
        "kubectl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    folder.join(name).display().to_string()
}

/// Whether applying the file would change something, by the exit code; with what.
async fn differs(s: &Scenario, file: &str) -> Result<Option<String>> {
    let output = kubectl(s, &["diff", "--server-side", MANAGER, "-f", file]).await?;
    match output.status.code() {
        Some(0) => Ok(None),
        Some(1) => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
        code => bail!(
            "kubectl diff ended with {code:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

async fn apply(s: &Scenario, file: &str) -> Result<()> {
    told(s, &["apply", "--server-side", MANAGER, "-f", file]).await?;
    Ok(())
}

/// Waits until the operator that leads rests. `kubectl diff` reads an object twice, and shows as a difference what is
/// reported in between.
async fn leader_rests(s: &Scenario) -> Result<()> {
    let leader = s.cluster.leader().await?.context("the operator runs")?;
    rests(s, &leader).await
}

#[tokio::test]
async fn a_file_that_was_applied_differs_in_nothing_from_what_is_stored() {
    scenario("diff", async |s| {
        let minimal = example("userservice.yaml");
        for (name, pods) in [("userservice.yaml", 2), ("userservice-full.yaml", 3)] {
            let file = example(name);
            apply(s, &file).await?;
            s.ready().await?;
            s.pods_become(pods).await?;
            leader_rests(s).await?;
            let difference = differs(s, &file).await?;
            ensure!(difference.is_none(), "{name}: {difference:?}");
        }
        let difference = differs(s, &minimal).await?;
        ensure!(
            difference.is_some_and(|text| text.contains("autoscaling")),
            "the judge sees a difference"
        );

        // Its Secrets are not there, so it is never ready, and its brokers are not either.
        let file = example("userservice-mongodb-kafka.yaml");
        apply(s, &file).await?;
        let go = format!("{SKIP_TOPIC_DELETION}=true");
        told(s, &["annotate", "userservice/users", &go]).await?;
        until("it is looked at", Duration::from_secs(30), || async {
            let resource = s.resources().get("users").await?;
            let status = resource.status.clone().unwrap_or_default();
            let looked = status.observed_generation == resource.metadata.generation;
            Ok(Seen::when(looked, (), status))
        })
        .await?;
        leader_rests(s).await?;
        let difference = differs(s, &file).await?;
        ensure!(difference.is_none(), "{difference:?}");
        Ok(())
    })
    .await;
}

/// Waits until the Deployment's own controller has seen what others did to it.
async fn observed(deployments: &Api<Deployment>) -> Result<Deployment> {
    let bound = Duration::from_secs(20);
    until("the change is observed", bound, || async {
        let deployment = deployments.get("users").await?;
        let status = deployment.status.clone().unwrap_or_default();
        let observed = status.observed_generation == deployment.metadata.generation;
        Ok(Seen::when(observed, deployment, status))
    })
    .await
}

#[tokio::test]
async fn nobody_fights_over_labels_and_annotations_that_somebody_else_adds_to_a_child() {
    scenario("peace", async |s| {
        let Some(log) = &s.cluster.audit_log else {
            bail!("no audit log: this scenario needs the bed's own cluster (BED_AUDIT_LOG)");
        };
        s.ready_with(serde_json::json!({})).await?;
        let deployments: Api<Deployment> = Api::namespaced(s.client(), &s.namespace);
        let written = Audit::whole(log).operator_writes_in(&s.namespace)?;
        ensure!(!written.is_empty(), "the judge sees the operator's writes");
        let audit = Audit::from_now(log)?;
        for change in [
            ["label", "team-a.example/cost=shop"],
            ["annotate", "team-a.example/sync=1"],
        ] {
            let [verb, value] = change;
            told(s, &[verb, "deployment/users", value, MANAGER]).await?;
        }
        // An annotation is a new generation of a Deployment, and until that is observed nobody can say that it is rolled out.
        let after = observed(&deployments).await?;
        leader_rests(s).await?;
        let settled = Audit::from_now(log)?;
        tokio::time::sleep(PEACE).await;
        let writes = settled.operator_writes_in(&s.namespace)?;
        let writes: Vec<String> = writes.iter().map(Entry::summary).collect();
        ensure!(writes.is_empty(), "written at rest: {writes:?}");
        let mut fought = audit.operator_writes_in(&s.namespace)?;
        fought.retain(|entry| !entry.is_report());
        let fought: Vec<String> = fought.iter().map(Entry::summary).collect();
        ensure!(fought.is_empty(), "fought over: {fought:?}");
        let now = deployments.get("users").await?;
        ensure!(
            now.labels().contains_key("team-a.example/cost")
                && now.annotations().contains_key("team-a.example/sync")
                && now.metadata.generation == after.metadata.generation,
            "{:?}",
            now.metadata
        );
        Ok(())
    })
    .await;
}
