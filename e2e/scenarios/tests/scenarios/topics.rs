//! Topics in Kafka: what the operator makes of them, and what it leaves to others. No pod is needed for that.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams};
use scenarios::{
    Scenario,
    backing::{self, BROKERS, Topic, configure_topic, delete_topics, topic_forgotten, topics},
    wait::{Seen, until},
};
use serde_json::{Value, json};

use crate::scenario;

/// What a topic of the scenario is called after its prefix.
const CREATED: &str = "user.created";
/// The one of six that is made anew.
const ANEW: &str = "user.deleted.dlq";

/// `spec` with events in Kafka and these topics.
fn with_topics(s: &Scenario, topics: &Value) -> Value {
    json!({
        "replicas": 0,
        "events": {"kafka": {
            "bootstrapServers": BROKERS,
            "topicPrefix": backing::prefix(s),
            "topics": topics,
        }},
    })
}

/// Waits until a condition of the resource has this reason, and answers its message.
async fn reason(s: &Scenario, name: &str, reason: &str) -> Result<String> {
    let what = format!("{name} says {reason}");
    until(&what, Duration::from_secs(30), || async {
        let status = s.resources().get(name).await?.status.unwrap_or_default();
        let found = status.conditions.iter().find(|one| one.reason == reason);
        let message = found.map(|found| found.message.clone());
        Ok(message.map_or_else(|| Seen::NotYet(format!("{status:?}")), Seen::Yes))
    })
    .await
}

/// Waits until the topic of new users is as wanted.
async fn created_becomes(s: &Scenario, what: &str, wanted: fn(&Topic) -> bool) -> Result<Topic> {
    until(what, Duration::from_secs(30), || async {
        let topic = topics(s).await?.remove(CREATED).unwrap_or_default();
        Ok(Seen::when(wanted(&topic), topic.clone(), &topic))
    })
    .await
}

#[tokio::test]
async fn partitions_are_added_only_once_that_is_acknowledged() {
    scenario("growth", async |s| {
        let three = json!({"partitions": 3, "reclaimPolicy": "Delete"});
        s.ready_with(with_topics(s, &three)).await?;
        let four = json!({"partitions": 4, "reclaimPolicy": "Delete"});
        s.apply(with_topics(s, &four)).await?;
        let message = reason(s, "users", "GrowthNotAcknowledged").await?;
        ensure!(message.contains("growPartitions"), "{message}");
        let before = topics(s).await?;
        ensure!(
            before
                .get(CREATED)
                .is_some_and(|topic| topic.partitions == 3),
            "{before:?}"
        );

        let mut acknowledged = four;
        acknowledged["growPartitions"] = json!("RemapKeys");
        s.apply(with_topics(s, &acknowledged)).await?;
        created_becomes(s, "there are four", |topic| topic.partitions == 4).await?;
        reason(s, "users", "TopicsInPlace").await?;
        let letters = topics(s).await?.remove("user.created.dlq");
        ensure!(
            letters.as_ref().is_some_and(|topic| topic.partitions == 1),
            "dead letters need no more: {letters:?}"
        );

        until("the status says four", Duration::from_secs(30), || async {
            let status = s.resources().get("users").await?.status;
            let partitions = status.and_then(|status| status.partitions);
            Ok(Seen::when(partitions == Some(4), (), partitions))
        })
        .await?;
        let refused = s.apply(with_topics(s, &three)).await;
        let refusal = refused.err().map(|error| error.to_string());
        ensure!(
            refusal
                .as_ref()
                .is_some_and(|refusal| refusal.contains("partitions")),
            "Kafka takes no partitions away: {refusal:?}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_owned_config_that_somebody_changed_comes_back_and_another_one_stays() {
    scenario("config", async |s| {
        let spec = with_topics(s, &json!({"retention": "2h", "reclaimPolicy": "Delete"}));
        s.ready_with(spec).await?;
        let topic = format!("{}{CREATED}", backing::prefix(s));
        let by_hand = "retention.ms=60000,max.message.bytes=700000";
        configure_topic(&topic, &["--add-config", by_hand]).await?;
        created_becomes(s, "it is changed", |topic| {
            is(topic, "retention.ms", "60000")
        })
        .await?;

        // The operator looks every ten minutes, and whenever something changes.
        let now = json!({"metadata": {"annotations": {"team-a.example/look": "now"}}});
        s.resources()
            .patch("users", &PatchParams::default(), &Patch::Merge(now))
            .await?;
        let back = |topic: &Topic| is(topic, "retention.ms", "7200000");
        let topic = created_becomes(s, "it is back", back).await?;
        ensure!(is(&topic, "max.message.bytes", "700000"), "{topic:?}");
        Ok(())
    })
    .await;
}

fn is(topic: &Topic, config: &str, value: &str) -> bool {
    topic
        .configs
        .get(config)
        .is_some_and(|found| found == value)
}

#[tokio::test]
async fn retained_topics_stay_and_of_those_to_delete_only_what_the_resource_created_goes() {
    scenario("reclaim", async |s| {
        let outcome = reclaim(s).await;
        delete_topics(s, ".*").await?;
        outcome
    })
    .await;
}

async fn reclaim(s: &Scenario) -> Result<()> {
    s.ready_with(with_topics(s, &json!({"reclaimPolicy": "Retain"})))
        .await?;
    delete(s).await?;
    let retained = names(s).await?;
    ensure!(retained.len() == 6, "{retained:?}");

    delete_topics(s, ANEW).await?;
    topic_forgotten(s, ANEW).await?;
    let resource = s
        .ready_with(with_topics(s, &json!({"reclaimPolicy": "Delete"})))
        .await?;
    let created = resource.status.unwrap_or_default().topics;
    ensure!(
        created.len() == 1 && names(s).await? == retained,
        "what is missing is created: {created:?}"
    );
    delete(s).await?;
    let left = names(s).await?;
    let gone: Vec<_> = retained.difference(&left).collect();
    ensure!(gone == [ANEW], "gone: {gone:?}, left: {left:?}");
    Ok(())
}

#[tokio::test]
async fn a_topic_whose_own_policy_is_to_retain_it_stays_while_the_others_go() {
    scenario("override", async |s| {
        let one = json!({"name": CREATED, "reclaimPolicy": "Retain"});
        let spec = with_topics(s, &json!({"reclaimPolicy": "Delete", "overrides": [one]}));
        let resource = s.ready_with(spec).await?;
        let created = resource.status.unwrap_or_default().topics;
        ensure!(created.len() == 6, "{created:?}");
        delete(s).await?;
        let left = names(s).await?;
        delete_topics(s, ".*").await?;
        ensure!(left == BTreeSet::from([CREATED.to_owned()]), "{left:?}");
        Ok(())
    })
    .await;
}

async fn names(s: &Scenario) -> Result<BTreeSet<String>> {
    Ok(topics(s).await?.into_keys().collect())
}

async fn delete(s: &Scenario) -> Result<()> {
    s.resources()
        .delete("users", &DeleteParams::default())
        .await?;
    until("it is gone", Duration::from_secs(30), || async {
        let left = s.resources().get_opt("users").await?;
        Ok(Seen::when(left.is_none(), (), left))
    })
    .await
}

#[tokio::test]
async fn a_second_resource_that_claims_a_topic_is_told_whose_it_is() {
    scenario("claim", async |s| {
        let spec = with_topics(s, &json!({"reclaimPolicy": "Delete"}));
        s.ready_with(spec.clone()).await?;
        // Of two that are as old the name decides.
        s.apply_as("users-too", spec.clone()).await?;
        let message = reason(s, "users-too", "NameConflict").await?;
        ensure!(
            message.contains(&format!("{}/users", s.namespace)),
            "{message}"
        );
        s.ready().await?;

        let mut other = spec;
        let kafka = &mut other["events"]["kafka"];
        kafka["topicPrefix"] = json!(format!("{}too.", backing::prefix(s)));
        s.apply_as("users-too", other).await?;
        s.ready_as("users-too").await?;
        Ok(())
    })
    .await;
}
