//! One method of several servers, in turns.

use std::time::Duration;

use anyhow::Result;

use super::calls::{Client, Method};
use super::contenders::Contender;
use crate::figures::median;
use crate::load::{Answers, closed, open};
use crate::machine::Cores;
use crate::process::Process;

/// Callers of a closed loop: more than a core can answer at a time.
const CALLERS: usize = 64;
const WARM_UP: Duration = Duration::from_millis(150);
const TURN: Duration = Duration::from_millis(800);
/// Users that are there to be found.
const USERS: usize = 500;
/// Users that one turn creates at most: the memory of ours holds 50,000.
const MOST_CREATED: usize = 20_000;

/// What one server did in all its turns.
struct Measured<'a> {
    contender: &'a Contender,
    peak: Answers,
    peak_cpu: Duration,
    steady: Answers,
    steady_cpu: Duration,
    /// Of each turn at that rate, in milliseconds.
    p50s: Vec<f64>,
    p99s: Vec<f64>,
}

impl<'a> Measured<'a> {
    fn new(contender: &'a Contender) -> Result<Self> {
        Ok(Self {
            contender,
            peak: Answers::new()?,
            peak_cpu: Duration::ZERO,
            steady: Answers::new()?,
            steady_cpu: Duration::ZERO,
            p50s: vec![],
            p99s: vec![],
        })
    }

    /// Calls for each second of CPU time of the server, as fast as it can.
    fn per_core(&self) -> f64 {
        self.peak.accepted.rate(self.peak_cpu)
    }

    /// The same, at the rate that is the same for all.
    fn per_core_steady(&self) -> f64 {
        self.steady.accepted.rate(self.steady_cpu)
    }

    /// Of the middle one of its turns: one in which the machine had other things to do says nothing of the server.
    fn p99(&self) -> f64 {
        median(&self.p99s)
    }

    /// As many callers as keep it busy.
    async fn peak_turn(&mut self, method: Method, cores: &Cores) -> Result<()> {
        let (process, client) = warm(self.contender, method, cores).await?;
        let calls = client.calls(method, "peak");
        let before = process.cpu()?;
        let answers = closed(&calls, CALLERS, TURN, MOST_CREATED).await?;
        self.peak_cpu += process.cpu()?.saturating_sub(before);
        self.peak.merge(answers.all_accepted()?)
    }

    async fn steady_turn(&mut self, method: Method, cores: &Cores, rate: f64) -> Result<()> {
        let (process, client) = warm(self.contender, method, cores).await?;
        let calls = client.calls(method, "steady");
        let before = process.cpu()?;
        let answers = open(&calls, rate, TURN).await?;
        self.steady_cpu += process.cpu()?.saturating_sub(before);
        self.p50s.push(answers.accepted.quantile_ms(0.5));
        self.p99s.push(answers.accepted.quantile_ms(0.99));
        self.steady.merge(answers.all_accepted()?)
    }

    fn show(&self) {
        println!(
            "  {:12}  {:6.0}/s for a core  {:6.0}/s at that rate  peak {:6.0}/s  p50 {:6.3} ms  p99 {:6.3} ms",
            self.contender.name,
            self.per_core(),
            self.per_core_steady(),
            self.peak.rate(),
            median(&self.p50s),
            self.p99(),
        );
    }

    /// How this one, ours, stands beside another.
    fn beside(&self, other: &Self) {
        println!(
            "  beside {}: {:.2} for a core (goal {:.2}), {:.2} at that rate; p99 {:.2} (goal 2)",
            other.contender.name,
            self.per_core() / other.per_core(),
            other.contender.goal.unwrap_or_default(),
            self.per_core_steady() / other.per_core_steady(),
            self.p99() / other.p99()
        );
    }
}

/// Measures each of them in so many turns: first the peak of all, then a rate of a quarter of what the first, ours, can
/// do, since the generator has to keep up with it too.
pub(super) async fn compare(
    contenders: &[Contender],
    method: Method,
    turns: usize,
    cores: &Cores,
) -> Result<()> {
    let mut all: Vec<_> = contenders
        .iter()
        .map(Measured::new)
        .collect::<Result<_>>()?;
    for _ in 0..turns {
        for measured in &mut all {
            measured.peak_turn(method, cores).await?;
        }
    }
    let rate = all.first().map_or(0.0, |ours| ours.peak.rate()) / 4.0;
    for _ in 0..turns {
        for measured in &mut all {
            measured.steady_turn(method, cores, rate).await?;
        }
    }
    println!("{method:?}; latencies at {rate:.0}/s, a quarter of the peak of ours");
    all.iter().for_each(Measured::show);
    if let [ours, others @ ..] = all.as_slice() {
        for other in others {
            ours.beside(other);
        }
    }
    Ok(())
}

/// A server that has answered before.
async fn warm(contender: &Contender, method: Method, cores: &Cores) -> Result<(Process, Client)> {
    let (process, client) = contender.start(cores).await?;
    let client = client.with_users(0..USERS).await?;
    let calls = client.calls(method, "warm");
    closed(&calls, CALLERS, WARM_UP, MOST_CREATED)
        .await?
        .all_accepted()?;
    Ok((process, client))
}
