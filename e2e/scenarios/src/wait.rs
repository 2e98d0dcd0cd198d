//! Waiting for a condition, with a bound.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(200);

/// Waits until `look` answers `Ok(Some(_))`.
///
/// # Errors
/// What `look` fails with, or that it said `None` for `bound`; `what` names the awaited state and
/// the last explanation says how far it got.
pub async fn until<T, F>(what: &str, bound: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    let start = Instant::now();
    loop {
        match look().await? {
            Seen::Yes(value) => return Ok(value),
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
