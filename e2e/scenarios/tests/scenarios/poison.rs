//! An event that Kafka refuses for its own sake: from its first attempt to its return.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use scenarios::{
    Scenario,
    backing::{self, BROKERS, DATABASE, REGISTRY},
    once,
    prove::Prove,
};
use serde_json::{Value, json};

use crate::scenario;

/// Takes the events of the load, and not one with the longest name and address.
const LIMIT: &str = "max.message.bytes=700";

/// Ten attempts with their pauses take half a minute at most.
const GIVEN_UP: &str = "90s";

/// Delay of the others' events at most, p99: far below the pauses of the one that is refused.
const OTHERS: f64 = 5000.0;

#[tokio::test]
async fn an_event_that_kafka_refuses_holds_up_its_user_alone_and_returns_by_redrive() {
    scenario("poison", async |s| {
        backing::connect_to(s, DATABASE).await?;
        let mut spec = backing::durable(s);
        // The load is not what is measured here.
        spec["replicas"] = json!(1);
        s.ready_with(spec).await?;
        let topic = |name: &str| format!("{}{name}", backing::prefix(s));
        let (created, updated) = (topic("user.created"), topic("user.updated"));
        backing::configure_topic(&created, &["--add-config", LIMIT]).await?;

        let load = Prove::start(s, 20, Duration::from_secs(600)).await?;
        let user = create_and_rename(s).await?;
        let letter = event(s, "letter", &format!("{created}.dlq"), &user).await?;
        says_why(&letter, &created)?;
        let next = event(s, "next", &updated, &user).await?;
        ensure!(
            timestamp(&letter)? < timestamp(&next)?,
            "the user's next event waits until the first is given up: {letter} {next}"
        );
        let listed = backing::in_service(s, &["dlq", "list"]).await?;
        let id = header(&letter, "ce_id")?;
        ensure!(
            listed.lines().count() == 1 && listed.starts_with(id) && listed.contains("refused"),
            "{listed}"
        );

        backing::configure_topic(&created, &["--delete-config", "max.message.bytes"]).await?;
        let said = backing::in_service(s, &["dlq", "redrive", id]).await?;
        ensure!(said.starts_with("1 event"), "{said}");
        let back = event(s, "back", &created, &user).await?;
        ensure!(header(&back, "ce_id")? == id, "{back}");
        let left = backing::in_service(s, &["dlq", "list"]).await?;
        ensure!(left.trim().is_empty(), "{left}");

        let proof = load.stop().await?;
        proof.assert_nothing_lost()?;
        ensure!(
            proof.failed.is_empty() && proof.dead_letters == 1 && proof.delay_ms.p99 < OTHERS,
            "nobody else notices: {proof:?}"
        );
        println!(
            "given up after {} attempts; meanwhile the others' events took {:?}",
            header(&letter, "x-attempts")?,
            proof.delay_ms
        );
        Ok(())
    })
    .await;
}

/// A user whose events are as large as can be, and its first change; who it is.
async fn create_and_rename(s: &Scenario) -> Result<String> {
    let mut state = 1_u32;
    let mut next = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    // What follows no pattern cannot be compressed.
    let name: String = (0..128)
        .filter_map(|_| char::from_u32(0x2_0000 + next(0xa000)))
        .collect();
    let mut letters = |count: usize| -> String {
        (0..count)
            .filter_map(|_| char::from_digit(10 + next(26), 36))
            .collect()
    };
    let parts = [64, 60, 60, 60].map(&mut letters);
    let email = format!("{}@{}.{}.{}", parts[0], parts[1], parts[2], parts[3]);
    let arguments = [
        "demo",
        // The network of the node may learn a moment later where the pods are.
        "--wait",
        "--target=users:8080",
        &format!("--name={name}"),
        &format!("--email={email}"),
        "--rename=Ada",
    ];
    user_of(&once::client(s, "poison", &arguments).await?)
}

/// Whom the client's `demo` created.
pub(crate) fn user_of(said: &str) -> Result<String> {
    let user = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("user_id"));
    Ok(user.context("a user")?.trim().to_owned())
}

/// The first event of a user in a topic, as an independent consumer reads it.
pub(crate) async fn event(s: &Scenario, pod: &str, topic: &str, user: &str) -> Result<Value> {
    let arguments = [
        "events",
        &format!("--brokers={}", BROKERS.join(",")),
        &format!("--topics={topic}"),
        &format!("--registry={REGISTRY}"),
        &format!("--key={user}"),
        "--until-count=1",
        &format!("--timeout={GIVEN_UP}"),
    ];
    let said = once::client(s, pod, &arguments).await?;
    Ok(serde_json::from_str(&said)?)
}

pub(crate) fn header<'a>(event: &'a Value, name: &str) -> Result<&'a str> {
    let value = event.get("headers").and_then(|headers| headers.get(name));
    let value = value.and_then(Value::as_str);
    value.with_context(|| format!("no header {name}: {event}"))
}

fn timestamp(event: &Value) -> Result<i64> {
    let timestamp = event.get("timestamp").and_then(Value::as_i64);
    timestamp.context("a timestamp")
}

fn says_why(letter: &Value, topic: &str) -> Result<()> {
    for (name, expected) in [
        ("__connect.errors.topic", topic),
        ("x-reason", "refused"),
        ("x-attempts", "10"),
        ("ce_type", "user.created"),
    ] {
        ensure!(header(letter, name)? == expected, "{name}: {letter}");
    }
    let message = header(letter, "__connect.errors.exception.message")?;
    ensure!(message.contains("too large"), "{message}");
    let name = letter.pointer("/value/name");
    ensure!(name.is_some_and(Value::is_string), "decodable: {letter}");
    Ok(())
}
