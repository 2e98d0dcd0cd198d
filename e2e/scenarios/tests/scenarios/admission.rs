//! What the API server refuses. The operator's own check must agree with it.

mod accepted;
mod refused;

use anyhow::{Result, bail, ensure};
use kube::api::{Patch, PatchParams};
use operator_api::UserService;
use operator_core::{Release, validate};
use serde_json::{Value, json};

use crate::scenario;
use accepted::accepted;
use refused::refused;

fn manifest(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService", "metadata": {"name": name}, "spec": spec})
}

fn dry_run() -> PatchParams {
    PatchParams {
        dry_run: true,
        ..PatchParams::apply("scenario").validation_strict()
    }
}

fn operators_answer(manifest: Value) -> Result<Vec<String>> {
    let release = Release {
        repository: "registry.example/user-service".into(),
        version: "1.0.0".into(),
        ..Release::default()
    };
    let resource: UserService = serde_json::from_value(manifest)?;
    match validate(&resource, &release) {
        Ok(_) => Ok(Vec::new()),
        Err(violations) => Ok(violations.iter().map(ToString::to_string).collect()),
    }
}

#[tokio::test]
async fn a_bad_resource_is_refused_by_the_api_server_and_the_message_names_the_field() {
    scenario("refused", async |s| {
        for (name, spec, field) in refused() {
            let case = manifest(name, &spec);
            let Err(error) = s
                .resources()
                .patch(name, &dry_run(), &Patch::Apply(&case))
                .await
            else {
                bail!("accepted: {case}");
            };
            let kube::Error::Api(status) = &error else {
                bail!("{case}: {error}")
            };
            ensure!(
                status.code == 422 || status.code == 400 || status.code == 500,
                "{case}: {status:?}"
            );
            ensure!(
                status.message.contains(field),
                "{case}: the message does not name {field}: {}",
                status.message
            );
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_the_schema_allows_is_accepted_and_the_operators_own_check_agrees_on_all_of_it() {
    scenario("accepted", async |s| {
        for (name, spec) in accepted() {
            let case = manifest(name, &spec);
            s.resources()
                .patch(name, &dry_run(), &Patch::Apply(&case))
                .await
                .map_err(|error| anyhow::anyhow!("{case}: {error}"))?;
            let violations = operators_answer(case.clone())?;
            ensure!(
                violations.is_empty(),
                "{case}: the operator would refuse it: {violations:?}"
            );
        }
        // Types, enums, patterns and unknown fields are the schema's alone; every rule about values is both sides'.
        for (name, spec, field) in refused() {
            let case = manifest(name, &spec);
            let Ok(violations) = operators_answer(case.clone()) else {
                continue;
            };
            let schema_alone = ["spec.version", "spec.image", "spec.replica"].contains(&field)
                || spec == json!({"storage": null});
            ensure!(
                schema_alone || violations.iter().any(|text| text.starts_with(field)),
                "{case}: the operator accepts it"
            );
        }
        Ok(())
    })
    .await;
}
