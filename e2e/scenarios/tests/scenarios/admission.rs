//! What the API server refuses. The operator's own check must agree with it.

mod accepted;
mod refused;
mod transitions;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use operator_api::UserService;
use operator_core::{Release, validate};
use serde_json::{Value, json};

use crate::scenario;
use accepted::accepted;
use refused::refused;
use transitions::transitions;

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

/// Cases that no rule refuses, since a field's shape does; `operator/api/tests/rules.rs` writes them.
const BY_SHAPE: &str = include_str!("admission/refused_by_shape.txt");

fn is_by_shape(name: &str, spec: &Value) -> Result<bool> {
    for line in BY_SHAPE.lines() {
        let (of, written) = line.split_once(' ').context("no spec")?;
        if of == name && serde_json::from_str::<Value>(written)? == *spec {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a rule was asked and said no; of a value of another shape the server says that it could not be.
fn refuses(answer: &str, rule: &str) -> bool {
    answer
        .match_indices(rule)
        .any(|(at, _)| !answer[..at].ends_with("evaluating rule: "))
}

/// Messages of all rules within a schema.
fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(rules) = schema["x-kubernetes-validations"].as_array() {
        let texts = rules.iter().filter_map(|rule| rule["message"].as_str());
        found.extend(texts.map(str::to_owned));
    }
    match schema {
        Value::Object(fields) => fields.values().for_each(|inner| messages(inner, found)),
        Value::Array(items) => items.iter().for_each(|inner| messages(inner, found)),
        _ => {}
    }
}

#[tokio::test]
async fn a_bad_resource_is_refused_by_the_api_server_and_the_message_names_the_field() {
    scenario("refused", async |s| {
        let mut rules = BTreeSet::new();
        messages(&serde_json::to_value(operator_api::crd())?, &mut rules);
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
            ensure!(
                rules.iter().any(|rule| refuses(&status.message, rule)) != is_by_shape(name, &spec)?,
                "{case}: evaluated without a server it is otherwise a rule that refuses it, or none: {}",
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

#[tokio::test]
async fn partitions_that_are_there_are_not_described_away_and_every_way_back_is_open() {
    scenario("transitions", async |s| {
        for (index, change) in transitions().into_iter().enumerate() {
            let name = format!("change-{index}");
            // An object with a child's name keeps the operator from doing anything about the resource, so that its
            // status stays as it is set here.
            let account: ServiceAccount =
                serde_json::from_value(json!({"metadata": {"name": name}}))?;
            let accounts = Api::<ServiceAccount>::namespaced(s.client(), &s.namespace);
            accounts.create(&PostParams::default(), &account).await?;
            let before = Patch::Apply(manifest(&name, &change.before));
            let params = PatchParams::apply("scenario").validation_strict();
            s.resources().patch(&name, &params, &before).await?;
            if change.partitions.is_some() {
                let status = json!({"status": {"partitions": change.partitions}});
                let params = PatchParams::default();
                s.resources()
                    .patch_status(&name, &params, &Patch::Merge(status))
                    .await?;
            }
            let after = manifest(&name, &change.after);
            let answer = s
                .resources()
                .patch(&name, &dry_run(), &Patch::Apply(&after))
                .await;
            match (answer, change.refused) {
                (Ok(_), None) => {}
                (Err(kube::Error::Api(status)), Some(field)) => {
                    ensure!(
                        status.message.contains(field),
                        "{after}: {}",
                        status.message
                    );
                }
                (answer, _) => bail!("{} to {after}: {answer:?}", change.before),
            }
        }
        Ok(())
    })
    .await;
}
