//! Waiting for a condition, with a bound.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::scenario::CRASH_LEADER_EVERY_S;

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(200);
/// What a crash of the leader adds to every bound: its lease has to end, and the next one has to read everything.
const TAKEOVER: Duration = Duration::from_secs(20);

/// Waits until `look` answers [`Seen::Yes`], and prints how long that took. While leaders are crashed on purpose, the
/// bound is longer by what one crash costs.
///
/// # Errors
/// What `look` fails with, or that it said [`Seen::NotYet`] for `bound`; `what` names the awaited state and
/// the last explanation says how far it got.
pub async fn until<T, F>(what: &str, bound: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    let bound = bound + takeover();
    let start = Instant::now();
    loop {
        match look().await? {
            Seen::Yes(value) => {
                println!("{what}: after {:.1} s", start.elapsed().as_secs_f64());
                return Ok(value);
            }
            Seen::NotYet(state) if start.elapsed() > bound => {
                bail!("{what}: not within {bound:?}; last seen: {state}")
            }
            Seen::NotYet(_) => tokio::time::sleep(PERIOD).await,
        }
    }
}

/// What everything may take longer: nothing, unless leaders are crashed on purpose.
pub fn takeover() -> Duration {
    match std::env::var_os(CRASH_LEADER_EVERY_S) {
        Some(_) => TAKEOVER,
        None => Duration::ZERO,
    }
}

/// What a look at the cluster found.
#[derive(Debug)]
pub enum Seen<T> {
    /// The awaited state.
    Yes(T),
    /// Something else, described.
    NotYet(String),
}

impl<T> Seen<T> {
    /// `Yes(value)` if `reached`, else what was seen.
    pub fn when(reached: bool, value: T, state: impl std::fmt::Debug) -> Self {
        if reached {
            Self::Yes(value)
        } else {
            Self::NotYet(format!("{state:?}"))
        }
    }
}
