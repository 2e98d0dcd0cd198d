//! What goes wrong while events go out.

use std::{
    env,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::DeleteParams};
use scenarios::{
    Scenario, backing,
    chance::Chance,
    cluster::metric,
    prove::Prove,
    wait::{Seen, until},
};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};
use user_settings::metric as names;

/// Writes each second in one round.
const RATE: u32 = 40;
/// And in a soak.
const SOAK_RATE: u32 = 300;
/// Writes that have to go on after each harm before the next.
const RECOVERED: u64 = 100;
/// Longest time until the next harm.
const LULL: Duration = Duration::from_secs(4);
/// And in a soak, where most writes are to be between harms.
const SOAK_LULL: Duration = Duration::from_secs(20);
/// How long all brokers are frozen.
const FROZEN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(150));

/// When there was enough of it; one round without any.
pub(super) struct Goal {
    events: u64,
    lasts: Duration,
    rate: u32,
}

impl Goal {
    /// By `SOAK_EVENTS` and `SOAK_SECONDS`; writes each second by `SOAK_RATE`.
    pub(super) fn from_environment() -> Result<Self> {
        let number = |name, otherwise| match env::var(name) {
            Ok(number) => number.parse().context(name),
            Err(_) => Ok(otherwise),
        };
        let mut goal = Self {
            events: number("SOAK_EVENTS", 0)?,
            lasts: Duration::from_secs(number("SOAK_SECONDS", 0)?),
            rate: RATE,
        };
        if goal.is_soak() {
            goal.rate = SOAK_RATE;
        }
        goal.rate = number("SOAK_RATE", u64::from(goal.rate))?.try_into()?;
        ensure!(goal.rate > 0, "SOAK_RATE is 0");
        Ok(goal)
    }

    fn is_soak(&self) -> bool {
        self.events > 0 || !self.lasts.is_zero()
    }

    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    /// How long the load may last: outages cost half of it at most.
    pub(super) fn bound(&self) -> Duration {
        let needed = Duration::from_secs(self.events / u64::from(self.rate));
        Duration::from_secs(900) + self.lasts + 2 * needed
    }
}

/// What may go wrong.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Database,
    KilledRelay,
    KilledPod,
    FrozenRelay,
    RestartedBrokers,
    FrozenBrokers,
}

/// Rounds in which everything goes wrong once, in another order each time, until the goal is reached.
pub(super) async fn until_reached(
    s: &Scenario,
    load: &Prove,
    goal: &Goal,
    chance: &mut Chance,
) -> Result<()> {
    let start = Instant::now();
    let lull = if goal.is_soak() { SOAK_LULL } else { LULL };
    loop {
        let mut round = vec![
            Harm::Database,
            Harm::KilledRelay,
            Harm::KilledPod,
            Harm::FrozenRelay,
            Harm::RestartedBrokers,
        ];
        // In one round it would take too long; it has a scenario of its own.
        if goal.is_soak() {
            round.push(Harm::FrozenBrokers);
        }
        for harm in chance.shuffled(round) {
            // The moment is part of what is tried.
            sleep(chance.between(Duration::ZERO, lull)).await;
            println!("{:>5.0} s: {harm:?}", start.elapsed().as_secs_f64());
            do_harm(s, harm, chance)
                .await
                .with_context(|| format!("{harm:?}"))?;
            load.reaches_more(RECOVERED).await?;
        }
        let acknowledged = load.now().await?.acknowledged;
        if acknowledged >= goal.events && start.elapsed() >= goal.lasts {
            return Ok(());
        }
    }
}

/// Says how far it is. Ends only if the client does not say it any more.
pub(super) async fn tell_each_minute(load: &Prove) -> Result<()> {
    let mut minutes = interval(Duration::from_secs(60));
    minutes.set_missed_tick_behavior(MissedTickBehavior::Skip);
    minutes.tick().await;
    loop {
        minutes.tick().await;
        let now = load.now().await?;
        println!(
            "{:>5.0} s: {} writes acknowledged, {} unknown, {} events, {} to come",
            now.elapsed_s, now.acknowledged, now.unknown, now.events, now.behind
        );
    }
}

async fn do_harm(s: &Scenario, harm: Harm, chance: &mut Chance) -> Result<()> {
    match harm {
        Harm::Database => backing::break_database(s, faults()).await,
        Harm::KilledRelay => kill(s, &relay(s).await?).await,
        Harm::KilledPod => {
            let pods = s.pods().await?;
            kill(s, chance.one_of(&pods).context("a pod")?).await
        }
        Harm::FrozenRelay => freeze_relay(s).await,
        Harm::RestartedBrokers => {
            for broker in chance.shuffled(vec![0, 1, 2]) {
                backing::restart_broker(s, broker).await?;
            }
            Ok(())
        }
        Harm::FrozenBrokers => {
            backing::freeze_brokers(s).await?;
            sleep(chance.between(FROZEN.0, FROZEN.1)).await;
            backing::thaw_brokers(s).await
        }
    }
}

async fn kill(s: &Scenario, pod: &Pod) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(s.client(), &s.namespace);
    let now = DeleteParams::default().grace_period(0);
    pods.delete(&pod.name_any(), &now).await?;
    Ok(())
}

async fn freeze_relay(s: &Scenario) -> Result<()> {
    let frozen = relay(s).await?;
    backing::freeze(&frozen).await?;
    let overtaken = relay_beside(s, Some(&frozen)).await;
    backing::thaw(&frozen).await?;
    overtaken.context("the frozen relay was not overtaken")?;
    ensure!(
        !is_relay(s, &frozen).await,
        "who wakes past its lease says that it leads"
    );
    Ok(())
}

/// The pod whose relay is the active one.
async fn relay(s: &Scenario) -> Result<Pod> {
    relay_beside(s, None).await
}

/// The pod whose relay is the active one, other than this one, which cannot answer.
async fn relay_beside(s: &Scenario, frozen: Option<&Pod>) -> Result<Pod> {
    let frozen = frozen.and_then(ResourceExt::uid);
    until("a relay is active", Duration::from_secs(40), || async {
        for pod in s.pods().await? {
            if (frozen.is_none() || pod.uid() != frozen) && is_relay(s, &pod).await {
                return Ok(Seen::Yes(pod));
            }
        }
        Ok(Seen::NotYet("none".to_owned()))
    })
    .await
}

/// Whether this pod says that its relay is the active one.
async fn is_relay(s: &Scenario, pod: &Pod) -> bool {
    let text = s.metrics(pod).await;
    text.is_ok_and(|text| metric(&text, names::OUTBOX_RELAY_ACTIVE, "") > 0.0)
}

/// What a database does on a bad day: answers get lost, transactions clash, the primary steps down, all is slow.
fn faults() -> serde_json::Value {
    let transient = json!(["TransientTransactionError"]);
    json!([
        {"command": "commitTransaction", "after": 5, "times": 3, "action": "dropAnswer"},
        {"command": "insert", "after": 10, "times": 5,
         "action": {"error": {"code": 112, "codeName": "WriteConflict", "labels": transient}}},
        {"command": "update", "after": 3, "times": 2,
         "action": {"error": {"code": 10107, "codeName": "NotWritablePrimary", "labels": []}}},
        {"command": "find", "after": 20, "times": 2, "action": "cut"},
        {"command": "commitTransaction", "after": 30, "times": 10, "action": {"delayMs": 500}},
    ])
}
