//! Five times the calls that ours can answer.

use std::time::Duration;

use anyhow::Result;

use super::calls::Method;
use super::contenders::Contender;
use crate::figures::{Latencies, median};
use crate::load::{Answers, closed, open};
use crate::machine::Cores;

/// Calls in flight that ours allows itself here: enough to keep its core at work, so few that an answer does not wait
/// long behind them.
const MOST_CALLS: usize = 16;
/// Users that a listing passes over.
const DELETED: usize = 4000;
const TIMES: f64 = 5.0;
const TURN: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(300);
const TURNS: usize = 5;

/// With a listing that has to pass over deleted users: a call has to cost the server far more than the generator, or the
/// generator is what there is too little of. Ratios are of the middle turn.
pub(super) async fn run(cores: &Cores) -> Result<()> {
    let limit = ("USERSVC_MAX_CONCURRENT_CALLS", MOST_CALLS.to_string());
    let ours = Contender::ours(&[limit]);
    let (mut peak, mut overload) = (Answers::new()?, Answers::new()?);
    let (mut goodputs, mut p99s, mut refusals) = (vec![], vec![], vec![]);
    for _ in 0..TURNS {
        let (_process, client) = ours.start(cores).await?;
        let client = client.with_users(DELETED).await?.deleted().await?;
        let calls = client.calls(Method::ListUsers, "");
        closed(&calls, MOST_CALLS, WARM_UP, usize::MAX).await?;
        let most = closed(&calls, MOST_CALLS, TURN, usize::MAX).await?;
        let too_many = open(&calls, TIMES * most.rate(), TURN).await?;
        let p99 = |latencies: &Latencies| latencies.quantile_ms(0.99);
        goodputs.push(too_many.rate() / most.rate());
        p99s.push(p99(&too_many.accepted) / p99(&most.accepted));
        refusals.push(p99(&too_many.refused));
        peak.merge(most.all_accepted()?)?;
        overload.merge(too_many)?;
    }
    println!(
        "Overload; listings past {DELETED} deleted users at {TIMES} times the peak, at most {MOST_CALLS} calls in flight"
    );
    let shown = [
        ("peak", &peak.accepted, peak.took),
        ("accepted", &overload.accepted, overload.took),
        ("refused", &overload.refused, overload.took),
    ];
    for (name, latencies, took) in shown {
        println!(
            "  {name:8}  {:6.0}/s   {}",
            latencies.rate(took),
            latencies.shown()
        );
    }
    println!(
        "  {} failed, {} not sent; goodput {:.2} of the peak (goal 0.90), p99 of accepted {:.2} of that at the peak (goal 3), p99 of refused {:.2} ms (goal 5)",
        overload.failed,
        overload.unsent,
        median(&goodputs),
        median(&p99s),
        median(&refusals)
    );
    if let Some(failure) = overload.failure {
        println!("  the first that failed: {failure:?}");
    }
    Ok(())
}
