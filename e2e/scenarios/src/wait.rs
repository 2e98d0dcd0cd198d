//! Waiting for a condition, with a bound.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(200);

/// Waits until `look` answers [`Seen::Yes`], and prints how long that took.
///
/// # Errors
/// What `look` fails with, or that it said [`Seen::NotYet`] for `bound`; `what` names the awaited state and
/// the last explanation says how far it got.
pub async fn until<T, F>(what: &str, bound: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
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
