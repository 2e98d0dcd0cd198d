//! Another operator, and the way back of a resource.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{Api, ResourceExt};
use scenarios::{
    Scenario,
    cluster::{OPERATOR, OPERATOR_NAMESPACE},
    load::{Load, RATE},
    release::install,
    wait::{Seen, until},
};
use serde_json::json;

use crate::{plugin::told, scenario};

/// An annotation that an operator of another template gives all pods.
const ANNOTATION: &str = "example.com/template";
/// How long load goes on after the last change, so that late failures show.
const AFTERMATH_S: f64 = 8.0;

/// Has the operator give all pods this annotation, or none, as a newer one may make other pods.
async fn upgrade(annotation: Option<&str>) -> Result<()> {
    let annotations = annotation.map_or(json!({}), |value| json!({ANNOTATION: value}));
    install(OPERATOR, Some(("service.podAnnotations", annotations))).await
}

/// Waits until an operator leads that gives all pods this annotation.
async fn leads_with(s: &Scenario, annotation: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(s.client(), OPERATOR_NAMESPACE);
    let argument = format!("--pod-annotation={ANNOTATION}={annotation}");
    until(
        "the new operator leads",
        Duration::from_secs(60),
        || async {
            let Some(leader) = s.cluster.leader().await? else {
                return Ok(Seen::NotYet("nobody leads".to_owned()));
            };
            let pod = pods.get_opt(&leader).await?;
            let arguments = pod.and_then(|pod| pod.spec?.containers.into_iter().next()?.args);
            let is_new = arguments.is_some_and(|all| all.contains(&argument));
            Ok(Seen::when(is_new, (), leader))
        },
    )
    .await
}

/// What the pods of a resource say of the operator that made them.
async fn annotations(s: &Scenario, name: &str) -> Result<Vec<Option<String>>> {
    let pods = s.pods_of(name).await?;
    let said = |pod: &Pod| pod.annotations().get(ANNOTATION).cloned();
    Ok(pods.iter().map(said).collect())
}

/// Both come to pods of the newer operator, and the second not before all of the first has.
async fn one_after_the_other(s: &Scenario, [first, second]: [&str; 2]) -> Result<()> {
    let newer = Some("newer".to_owned());
    until("all pods are new", Duration::from_secs(180), || async {
        // In this order: what the first is by then it was no earlier.
        let of_second = annotations(s, second).await?;
        let of_first = annotations(s, first).await?;
        let is_moved =
            |of: &[Option<String>]| !of.is_empty() && of.iter().all(|value| *value == newer);
        let is_begun = of_second.contains(&newer);
        ensure!(
            is_moved(&of_first) || !is_begun,
            "{second} before {first}: {of_first:?}"
        );
        let moved = is_moved(&of_first) && is_moved(&of_second);
        Ok(Seen::when(moved, (), (of_first, of_second)))
    })
    .await
}

#[tokio::test]
async fn an_operator_that_makes_other_pods_replaces_none_unless_the_policy_says_so() {
    scenario("upgrade", async |s| {
        s.ready_with(json!({})).await?;
        s.apply_as("users-second", json!({"replicas": 1})).await?;
        s.ready_as("users-second").await?;
        let before = s.pod_uids().await?;
        let workers = s.cluster.workers().await?;
        let target = format!("dns:///users.{}.svc.cluster.local:8080", s.namespace);
        let load = Load::start(s, RATE, &workers[1], &target, "pick_first").await?;
        let outcome = async {
            upgrade(Some("newer")).await?;
            leads_with(s, "newer").await?;
            // What is around the pods is written by the new operator: it has looked at the resource.
            s.apply(json!({"disruption": {"maxUnavailable": 2}}))
                .await?;
            s.ready().await?;
            ensure!(s.pod_uids().await? == before, "pods were replaced");
            s.apply(json!({"upgradePolicy": "Automatic"})).await?;
            s.apply_as(
                "users-second",
                json!({"replicas": 1, "upgradePolicy": "Automatic"}),
            )
            .await?;
            one_after_the_other(s, ["users", "users-second"]).await?;
            s.ready().await?;
            load.after(AFTERMATH_S).await?.assert_no_call_failed()
        };
        let outcome = outcome.await;
        upgrade(None).await?;
        outcome
    })
    .await;
}

/// Number of the revision that has the star.
fn current(history: &str) -> Option<&str> {
    let line = history.lines().find(|line| line.starts_with('*'))?;
    line.split_whitespace().nth(1)
}

#[tokio::test]
async fn a_rollback_brings_back_what_ran_before_and_the_history_shows_it() {
    scenario("rollback", async |s| {
        s.ready_with(json!({"server": {"maxConcurrentStreams": 11}}))
            .await?;
        let configs: Api<ConfigMap> = Api::namespaced(s.client(), &s.namespace);
        let settings = async || -> Result<Vec<String>> {
            let pods = s.pods().await?;
            let sources = pods.iter().filter_map(|pod| {
                let from = pod.spec.as_ref()?.containers.first()?.env_from.as_ref()?;
                Some(from.first()?.config_map_ref.as_ref()?.name.clone())
            });
            Ok(sources.collect())
        };
        let first = settings().await?;
        s.ready_with(json!({"replicas": 3, "server": {"maxConcurrentStreams": 22}}))
            .await?;
        let history = told(s, &["history", "users"]).await?;
        ensure!(history.lines().count() == 3, "{history}");
        ensure!(current(&history) == Some("2"), "{history}");

        told(s, &["rollback", "users"]).await?;
        s.ready().await?;
        let back = settings().await?;
        ensure!(back.len() == 3, "replicas stay: {back:?}");
        ensure!(back.iter().all(|name| *name == first[0]), "{back:?}");
        let config = configs.get(&back[0]).await?.data.unwrap_or_default();
        ensure!(
            config["USERSVC_MAX_CONCURRENT_STREAMS"] == "11",
            "{config:?}"
        );
        let resource = s.resources().get("users").await?;
        ensure!(
            resource.spec.server.max_concurrent_streams == 11,
            "the spec says so too"
        );
        let history = told(s, &["history", "users"]).await?;
        ensure!(current(&history) == Some("3"), "{history}");

        told(s, &["pause", "users", "--for", "1h", "--reason", "a look"]).await?;
        until("the pause is told", Duration::from_secs(10), || async {
            let status = told(s, &["status", "users"]).await?;
            Ok(Seen::when(status.contains("a look"), (), status))
        })
        .await?;
        told(s, &["resume", "users"]).await?;
        s.ready().await?;
        Ok(())
    })
    .await;
}
