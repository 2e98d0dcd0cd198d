//! Five times the calls that ours can answer.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::calls::{Client, Method};
use super::contenders::Contender;
use super::histogram::Histogram;
use crate::figures::{Latencies, median};
use crate::load::{Answers, closed, open};
use crate::machine::Cores;
use crate::process::{Process, metrics};

/// Calls in flight that ours allows itself here: enough to keep its core at work, so few that an answer does not wait
/// long behind them.
const MOST_CALLS: usize = 8;
/// What a listing is made to cost: some fifty times what its refusal does, or four refusals for each call would take what
/// is there for answers, and the generator more than it has; and little beside the time within which refusals have to
/// be out, for a listing under way is not interrupted.
const COST: Duration = Duration::from_micros(1200);
/// Users that it passes over when that is measured, and at most: the memory of ours holds 50,000.
const FIRST_DELETED: usize = 5_000;
const MOST_DELETED: usize = 48_000;
const TIMES: f64 = 5.0;
const TURN: Duration = Duration::from_millis(1500);
const WARM_UP: Duration = Duration::from_millis(300);
const TURNS: usize = 5;
const REFUSED_WITHIN: Duration = Duration::from_millis(5);
/// A generator that begins calls later than this is what there is too little of.
const KEEPS_UP_WITHIN: Duration = Duration::from_millis(1);

/// What happened in all turns.
struct Measured {
    peak: Answers,
    overload: Answers,
    peak_cpu: Duration,
    overload_cpu: Duration,
    /// By the server's own account of the overload.
    accepted: Histogram,
    refused: Histogram,
    /// Of each turn.
    goodputs: Vec<f64>,
    p99s: Vec<f64>,
    refusals: Vec<f64>,
}

impl Measured {
    fn new() -> Result<Self> {
        Ok(Self {
            peak: Answers::new()?,
            overload: Answers::new()?,
            peak_cpu: Duration::ZERO,
            overload_cpu: Duration::ZERO,
            accepted: Histogram::default(),
            refused: Histogram::default(),
            goodputs: vec![],
            p99s: vec![],
            refusals: vec![],
        })
    }

    /// As fast as it can, then five times as much.
    async fn turn(&mut self, process: &Process, client: &Client) -> Result<()> {
        let admin = process.admin.context("no admin port")?;
        let listings = async || {
            let metrics = metrics(admin).await?;
            let listings = |status| Histogram::read(&metrics, "ListUsers", status);
            anyhow::Ok((listings("OK")?, listings("RESOURCE_EXHAUSTED")?))
        };
        let calls = client.calls(Method::ListUsers, "");
        closed(&calls, MOST_CALLS, WARM_UP, usize::MAX).await?;
        let begun = process.cpu()?;
        let peak = closed(&calls, MOST_CALLS, TURN, usize::MAX).await?;
        let between = process.cpu()?;
        let before = listings().await?;
        let overload = open(&calls, TIMES * peak.rate(), TURN).await?;
        self.overload_cpu += process.cpu()?.saturating_sub(between);
        self.peak_cpu += between.saturating_sub(begun);
        let (accepted, refused) = listings().await?;
        self.accepted.merge(accepted.since(&before.0));
        self.refused.merge(refused.since(&before.1));
        let p99 = |latencies: &Latencies| latencies.quantile_ms(0.99);
        self.goodputs.push(overload.rate() / peak.rate());
        self.p99s
            .push(p99(&overload.accepted) / p99(&peak.accepted));
        self.refusals.push(p99(&overload.refused));
        self.peak.merge(peak.all_accepted()?)?;
        self.overload.merge(overload)
    }

    /// What callers saw, what the server says, and what it costs.
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    fn show(&self, deleted: usize) {
        let Self { peak, overload, .. } = self;
        println!(
            "Listings past {deleted} deleted users at {TIMES} times the peak, at most {MOST_CALLS} calls in flight"
        );
        let shown = [
            ("peak", &peak.accepted, peak.took),
            ("accepted", &overload.accepted, overload.took),
            ("refused", &overload.refused, overload.took),
        ];
        for (name, latencies, took) in shown {
            let rate = latencies.rate(took);
            println!("  {name:8}  {rate:6.0}/s   {}", latencies.shown());
        }
        println!("  begun late          {}", overload.late.shown());
        if overload.late.quantile(0.99) > KEEPS_UP_WITHIN {
            println!("  the generator did not keep up: latencies are its own as well");
        }
        println!(
            "  by the server: 99 % of accepted within {} ms, {:.2} % of refused within {} ms",
            self.accepted.bound_of(0.99),
            100.0 * self.refused.share_within(REFUSED_WITHIN),
            REFUSED_WITHIN.as_millis()
        );
        let each = self.peak_cpu.as_secs_f64() / peak.accepted.count() as f64;
        let accepted = each * overload.accepted.count() as f64;
        let refusals = self.overload_cpu.as_secs_f64() - accepted;
        println!(
            "  CPU time of a call {:.0} µs, and of a refusal, by what is left of the overload's, {:.0} µs",
            1e6 * each,
            1e6 * refusals / overload.refused.count() as f64
        );
        println!(
            "  {} failed, {} not sent; goodput {:.2} of the peak (goal 0.90), p99 of accepted {:.2} of that at the peak (goal 3), p99 of refused {:.2} ms (goal 5)",
            overload.failed,
            overload.unsent,
            median(&self.goodputs),
            median(&self.p99s),
            median(&self.refusals)
        );
        if let Some(failure) = &overload.failure {
            println!("  the first that failed: {failure:?}");
        }
    }
}

/// Deletes so many users, each of which a listing has to pass over, that it costs what it should on this machine.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts of a benchmark"
)]
async fn slowed(process: &Process, client: Client) -> Result<(Client, usize)> {
    let client = client.with_users(0..FIRST_DELETED).await?.deleted().await?;
    let calls = client.calls(Method::ListUsers, "");
    closed(&calls, MOST_CALLS, WARM_UP, usize::MAX).await?;
    let before = process.cpu()?;
    let answers = closed(&calls, MOST_CALLS, TURN, usize::MAX).await?;
    let per_core = answers.accepted.rate(process.cpu()?.saturating_sub(before));
    let deleted = (FIRST_DELETED as f64 * COST.as_secs_f64() * per_core) as usize;
    let deleted = deleted.clamp(FIRST_DELETED, MOST_DELETED);
    let client = client.with_users(FIRST_DELETED..deleted).await?;
    Ok((client.deleted().await?, deleted))
}

/// With listings that have to pass over deleted users. Ratios are of the middle turn.
pub(super) async fn run(cores: &Cores) -> Result<()> {
    let limit = ("USERSVC_MAX_CONCURRENT_CALLS", MOST_CALLS.to_string());
    let (process, client) = Contender::ours(&[limit]).start(cores).await?;
    let (client, deleted) = slowed(&process, client).await?;
    let mut measured = Measured::new()?;
    for _ in 0..TURNS {
        measured.turn(&process, &client).await?;
    }
    measured.show(deleted);
    Ok(())
}
