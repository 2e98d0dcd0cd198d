//! What is done by hand when a server lost what was prepared on it, as docs/production.md says it.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use scenarios::{
    Scenario,
    backing::{self, DATABASE, NAMESPACE},
    kubectl::kubectl,
    prove::Prove,
    wait::{Seen, until},
};
use user_settings::exit_code;

use crate::{plugin::told, scenario};

/// Makes the registry forget the schemas of the scenario's events: for good only what it has marked before.
async fn forget_schemas(s: &Scenario) -> Result<()> {
    for event in ["created", "updated", "deleted"] {
        let subject = format!("{}user.{event}-value", backing::prefix(s));
        for how in ["", "?permanent=true"] {
            let path = format!(
                "/api/v1/namespaces/{NAMESPACE}/services/registry:8080/proxy/apis/ccompat/v7/subjects/{subject}{how}"
            );
            kubectl(&["delete", "--raw", &path]).await?;
        }
    }
    Ok(())
}

/// What the containers of these pods ended with last.
fn exit_codes(pods: &[Pod]) -> Vec<i32> {
    let statuses = pods
        .iter()
        .filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref())
        .flatten();
    let ended = |container: &ContainerStatus| {
        let states = [container.state.clone(), container.last_state.clone()];
        states
            .into_iter()
            .flatten()
            .find_map(|state| Some(state.terminated?.exit_code))
    };
    statuses.filter_map(ended).collect()
}

/// Takes away the Job, then what says that it was done; until it was done again.
async fn prepare_anew(s: &Scenario) -> Result<()> {
    for words in [
        "delete jobs -l app.kubernetes.io/instance=users",
        "annotate deployment users usersvc.dev/prepared-",
        r"wait deployment/users --for=jsonpath={.metadata.annotations.usersvc\.dev/prepared} --timeout=90s",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        kubectl(&[&["-n", &s.namespace][..], &words].concat()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_registry_lost_is_registered_again_once_it_is_to_be_prepared_anew() {
    scenario("loss", async |s| {
        backing::connect_to(s, DATABASE).await?;
        s.ready_with(backing::durable(s)).await?;
        let before = s.pod_uids().await?;
        forget_schemas(s).await?;
        told(s, &["restart", "users"]).await?;
        let lost = i32::from(exit_code::SCHEMA);
        let bound = Duration::from_secs(60);
        until("a pod that starts misses its schema", bound, || async {
            let codes = exit_codes(&s.pods().await?);
            Ok(Seen::when(codes.contains(&lost), (), codes))
        })
        .await?;

        prepare_anew(s).await?;
        told(s, &["restart", "users"]).await?;
        s.pods_gone(&before).await?;
        s.ready().await?;
        let proof = Prove::start(s, 20, Duration::from_secs(10))
            .await?
            .end()
            .await?;
        proof.assert_undisturbed()?;
        Ok(())
    })
    .await;
}
