//! Waiting, with a bound.

#![allow(unreachable_pub, reason = "as in the other files here")]

use std::time::Duration;

/// Nothing a test waits for takes longer, unless something is broken.
pub const BOUND: Duration = Duration::from_secs(20);

/// A result that has to come within [`BOUND`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {BOUND:?}"))
}

/// Tries again until it holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    soon(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
