//! The bounds of a listener, and how the transport library keeps those that are its own.

use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;

use crate::streams::Streams;

/// HTTP/1 request headers have to be complete within this time.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// A quiet HTTP/2 connection is asked for a sign of life this often, and closed if none comes in time.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest header list of a request, in bytes as HTTP/2 counts them.
const MAX_HEADER_LIST: u32 = 16 * 1024;
/// Streams that a client opened and reset before they were looked at (CVE-2023-44487).
const MAX_PENDING_RESET_STREAMS: usize = 64;
/// Streams that we reset in the life of a connection, such as those beyond the limit that a client opened before it heard of
/// it; then the connection is closed, with the calls in flight on it. What the library takes by itself.
const MAX_LOCAL_RESET_STREAMS: usize = 1024;

/// The bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time; further ones wait in the kernel's backlog, unless there is always room for one.
    pub(crate) connections: usize,
    /// Calls in flight on one HTTP/2 connection.
    pub(crate) concurrent_streams: u32,
    /// How long a connection lives; for ever if absent.
    pub(crate) age: Option<Age>,
    /// How long a call may take.
    pub(crate) call_timeout: Duration,
    /// Time for calls in flight to finish once stopped.
    pub(crate) drain_timeout: Duration,
    /// Whether HTTP/1 is refused.
    pub(crate) http2_only: bool,
    /// Whether a connection ends for the next one, where that would have to wait.
    pub(crate) makes_room: bool,
}

/// How long a connection lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    /// When its client is asked to make a new one; a tenth earlier or later, so that connections that came together,
    /// as after a rollout, do not go together.
    pub(crate) max: Duration,
    /// How long its calls have from then on.
    pub(crate) grace: Duration,
}

impl Age {
    /// One connection's.
    pub(crate) fn jittered(self) -> Duration {
        self.max.mul_f64(rand::random_range(0.9..1.1))
    }
}

impl Limits {
    /// For a connection that opens its streams there.
    pub(crate) fn builder(self, streams: Streams) -> Builder<Streams> {
        let mut builder = Builder::new(streams);
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_TIMEOUT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.concurrent_streams)
            .max_header_list_size(MAX_HEADER_LIST)
            .max_pending_accept_reset_streams(MAX_PENDING_RESET_STREAMS)
            .max_local_error_reset_streams(MAX_LOCAL_RESET_STREAMS)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        if self.http2_only {
            builder.http2_only()
        } else {
            builder
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn connections_grow_old_up_to_a_tenth_earlier_or_later_and_not_together() {
        let max = Duration::from_secs(100);
        let age = Age {
            max,
            grace: Duration::ZERO,
        };
        let ages: BTreeSet<Duration> = (0..100).map(|_| age.jittered()).collect();
        let (first, last) = (ages.first().copied(), ages.last().copied());
        assert!(first >= Some(max.mul_f64(0.9)), "{first:?}");
        assert!(last <= Some(max.mul_f64(1.1)), "{last:?}");
        // A hundred ages within half of the range are as good as impossible.
        let spread = last
            .zip(first)
            .and_then(|(last, first)| last.checked_sub(first));
        assert!(spread > Some(max.mul_f64(0.1)), "{spread:?}");
    }
}
