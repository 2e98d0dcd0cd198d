//! Users in the database and events in Kafka, on the real servers.

mod harm;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::LogParams};
use operator_api::UserService;
use scenarios::{
    Scenario,
    backing::{self, CONNECTION, DATABASE, FAULTY_DATABASE},
    chance::Chance,
    once,
    prove::{Proof, Prove},
    wait::{Seen, until},
};
use serde_json::json;

use self::harm::Goal;
use crate::{
    poison::{event, header, user_of},
    scenario,
};

/// Writes each second while Kafka is frozen, and for how many minutes it is. So few that a machine that is busy with
/// all of it catches up many times as fast; how fast, `bench outbox` measures.
const FROZEN_RATE: u32 = 15;
const FROZEN_MINUTES: u32 = 2;
/// How much faster than writes events have to come when Kafka is back.
const CATCH_UP: f64 = 10.0;

#[tokio::test]
async fn from_memory_to_database_and_kafka_is_one_edit_and_every_event_arrives_decodable() {
    scenario("durable", async |s| {
        s.ready_with(json!({})).await?;
        let in_memory = s.pod_uids().await?;
        backing::connect_to(s, DATABASE).await?;
        let resource = s.ready_with(backing::durable(s)).await?;
        s.pods_gone(&in_memory).await?;
        let durable = condition(&resource, "StorageDurable").context("condition")?;
        ensure!(durable.0 == "True", "{durable:?}");

        let proof = Prove::start(s, 20, Duration::from_secs(10))
            .await?
            .end()
            .await?;
        proof.assert_undisturbed()?;
        ensure!(proof.acknowledged >= 150, "too few to judge: {proof:?}");

        let pods: Api<Pod> = Api::namespaced(s.client(), &s.namespace);
        for pod in s.pods().await? {
            let log = pods.logs(&pod.name_any(), &LogParams::default()).await?;
            ensure!(
                !log.contains("@example.com"),
                "personal data in a log: {log}"
            );
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_callers_trace_is_on_the_record() {
    scenario("trace", async |s| {
        backing::connect_to(s, DATABASE).await?;
        s.ready_with(backing::durable(s)).await?;
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let arguments = [
            "demo",
            // The network of the node may learn a moment later where the pods are.
            "--wait",
            "--target=users:8080",
            "--name=Ada",
            "--email=ada@example.com",
            &format!("--traceparent=00-{trace}-00f067aa0ba902b7-01"),
        ];
        let user = user_of(&once::client(s, "caller", &arguments).await?)?;
        let topic = format!("{}user.created", backing::prefix(s));
        let event = event(s, "consumer", &topic, &user).await?;
        // The caller's span need not be the record's.
        let parent = header(&event, "traceparent")?;
        ensure!(parent.split('-').nth(1) == Some(trace), "{event}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn over_tls_with_a_password_topics_are_made_and_every_event_arrives() {
    scenario("sasl", async |s| {
        let mut credentials = backing::kafka_credentials(s).await?;
        let password = credentials["password"].take();
        credentials["password"] = json!("wrong");
        s.write_secret("users-kafka", &credentials).await?;
        backing::connect_to(s, DATABASE).await?;
        let mut spec = backing::durable(s);
        let kafka = &mut spec["events"]["kafka"];
        kafka["bootstrapServers"] = json!(backing::SASL_BROKERS);
        kafka["securityProtocol"] = json!("SASL_SSL");
        kafka["credentials"] = json!({"secret": "users-kafka"});
        s.apply(spec).await?;
        let message = held_up(s, "KafkaUnreachable").await?;
        ensure!(message.contains("credentials"), "{message}");

        credentials["password"] = password;
        s.write_secret("users-kafka", &credentials).await?;
        s.ready().await?;
        let proof = Prove::start(s, 20, Duration::from_secs(10))
            .await?
            .end()
            .await?;
        proof.assert_undisturbed()?;
        ensure!(proof.acknowledged >= 150, "too few to judge: {proof:?}");
        Ok(())
    })
    .await;
}

/// Status and reason of a condition.
fn condition(resource: &UserService, kind: &str) -> Option<(String, String, String)> {
    let status = resource.status.as_ref()?;
    let found = status.conditions.iter().find(|found| found.type_ == kind)?;
    Some((
        found.status.clone(),
        found.reason.clone(),
        found.message.clone(),
    ))
}

/// Waits until `Ready` is false for this reason; its message.
async fn held_up(s: &Scenario, reason: &str) -> Result<String> {
    until(reason, Duration::from_secs(90), || async {
        let resource = s.resources().get("users").await?;
        let ready = condition(&resource, "Ready");
        Ok(match ready {
            Some((status, found, message)) if status == "False" && found == reason => {
                Seen::Yes(message)
            }
            other => Seen::NotYet(format!("{other:?}")),
        })
    })
    .await
}

#[tokio::test]
async fn a_missing_secret_is_named_and_what_runs_goes_on() {
    scenario("secret", async |s| {
        s.ready_with(json!({})).await?;
        let before = names_of(&s.pods().await?);
        s.apply(backing::durable(s)).await?;
        let message = held_up(s, "SecretMissing").await?;
        ensure!(message.contains(CONNECTION), "{message}");
        ensure!(names_of(&s.pods().await?) == before, "pods were replaced");

        backing::connect_to(s, DATABASE).await?;
        s.ready().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_preparation_that_fails_holds_the_rollout_up_and_leaves_what_runs_alone() {
    scenario("prepare", async |s| {
        s.ready_with(json!({})).await?;
        let before = names_of(&s.pods().await?);
        backing::connect_to(s, "postgres://elsewhere").await?;
        s.apply(backing::durable(s)).await?;
        let message = held_up(s, "PreparationFailed").await?;
        ensure!(
            message.contains("logs"),
            "says how to learn more: {message}"
        );
        ensure!(names_of(&s.pods().await?) == before, "pods were replaced");

        backing::connect_to(s, DATABASE).await?;
        s.ready().await?;
        ensure!(names_of(&s.pods().await?) != before, "the rollout goes on");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_changed_connection_rolls_the_pods() {
    scenario("connection", async |s| {
        backing::connect_to(s, DATABASE).await?;
        s.ready_with(backing::durable(s)).await?;
        let before = names_of(&s.pods().await?);
        backing::connect_to(s, FAULTY_DATABASE).await?;
        until("all pods are new", Duration::from_secs(90), || async {
            let now = names_of(&s.pods().await?);
            let rolled = !now.is_empty() && now.iter().all(|name| !before.contains(name));
            Ok(Seen::when(rolled, (), now))
        })
        .await?;
        s.ready().await?;
        Ok(())
    })
    .await;
}

fn names_of(pods: &[Pod]) -> Vec<String> {
    pods.iter().map(ResourceExt::name_any).collect()
}

#[tokio::test]
async fn while_kafka_is_frozen_calls_go_on_and_every_event_arrives_afterwards() {
    scenario("frozen", async |s| {
        backing::connect_to(s, DATABASE).await?;
        s.ready_with(backing::durable(s)).await?;
        let load = Prove::start(s, FROZEN_RATE, Duration::from_secs(900)).await?;
        load.reaches_more(60).await?;
        backing::freeze_brokers(s).await?;
        let went_on = minutes(&load).await;
        backing::thaw_brokers(s).await?;
        went_on?;
        let caught_up = load.catches_up().await?;
        let ratio = caught_up.events_per_s / caught_up.writes_per_s;
        println!("{FROZEN_MINUTES} minutes without Kafka: {caught_up:?}, ratio {ratio:.0}");
        ensure!(ratio >= CATCH_UP, "{caught_up:?}");
        let proof = load.stop().await?;
        proof.assert_nothing_lost()?;
        ensure!(
            proof.failed.is_empty() && proof.dead_letters == 0,
            "nobody but consumers notices: {proof:?}"
        );
        for pod in s.pods().await? {
            let status = pod.status.clone().unwrap_or_default();
            let restarts = status.container_statuses.unwrap_or_default();
            ensure!(
                restarts
                    .iter()
                    .all(|container| container.restart_count == 0),
                "{} was restarted",
                pod.name_any()
            );
        }
        Ok(())
    })
    .await;
}

/// As many writes as the minutes have.
async fn minutes(load: &Prove) -> Result<()> {
    for _ in 0..FROZEN_MINUTES {
        load.reaches_more(u64::from(60 * FROZEN_RATE)).await?;
    }
    Ok(())
}

/// Everything that may go wrong, at random moments. `make soak` goes on with it.
#[tokio::test]
async fn no_event_is_lost_or_out_of_order_whatever_crashes() {
    scenario("crash", async |s| {
        let mut chance = Chance::from_environment()?;
        let goal = Goal::from_environment()?;
        backing::connect_to(s, FAULTY_DATABASE).await?;
        let mut spec = backing::durable(s);
        spec["replicas"] = json!(3);
        s.ready_with(spec).await?;
        let load = Prove::start(s, goal.rate(), goal.bound()).await?;
        let outcome = tokio::select! {
            outcome = Box::pin(harm::until_reached(s, &load, &goal, &mut chance)) => outcome,
            broken = harm::tell_each_minute(&load) => broken,
        };
        backing::break_database(s, json!([])).await?;
        if outcome.is_err() {
            // They may still be frozen, or one of them may not be there.
            let _ = backing::thaw_brokers(s).await;
        }
        outcome?;
        let proof: Proof = load.stop().await?;
        proof.assert_nothing_lost()?;
        ensure!(
            proof.dead_letters == 0,
            "an outage is no reason for a dead letter: {proof:?}"
        );
        ensure!(proof.acknowledged >= 300, "too few to judge: {proof:?}");
        Ok(())
    })
    .await;
}
