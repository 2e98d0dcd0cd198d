//! Whether a Lease may be taken: pure, so that every case can be tried.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use tokio::time::Instant;

/// A candidate's memory of the Lease.
pub(super) struct Election {
    identity: String,
    duration: Duration,
    /// The Lease of another as last seen to change: its resourceVersion, and when that was seen.
    seen: Option<(Option<String>, Instant)>,
}

/// A specification that waits for the time of its writing.
type Timed = Box<dyn FnOnce(MicroTime) -> LeaseSpec + Send>;

/// What to do about the Lease.
pub(super) enum Step {
    /// There is none: make it.
    Create(Timed),
    /// It is ours, released, or run out: write it.
    Replace(Timed),
    /// It is somebody's, who is named.
    Wait(String),
}

impl Election {
    pub(super) const fn new(identity: String, duration: Duration) -> Self {
        Self {
            identity,
            duration,
            seen: None,
        }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn holds(&self, lease: &Lease) -> bool {
        holder(lease) == Some(&self.identity)
    }

    /// Decides by what is seen `now`. A Lease of another runs out only after it was seen unchanged
    /// for as long as it says that it lasts: clocks of other machines do not count.
    pub(super) fn step(&mut self, lease: Option<&Lease>, now: Instant) -> Step {
        let Some(lease) = lease else {
            return Step::Create(self.taken(None));
        };
        match holder(lease) {
            Some(holder) if *holder == self.identity => Step::Replace(self.renewed(lease)),
            Some(holder) => {
                if self.has_run_out(lease, now) {
                    Step::Replace(self.taken(Some(lease)))
                } else {
                    Step::Wait(holder.clone())
                }
            }
            None => Step::Replace(self.taken(Some(lease))),
        }
    }

    fn has_run_out(&mut self, lease: &Lease, now: Instant) -> bool {
        let version = lease.metadata.resource_version.clone();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        let lasts = lease
            .spec
            .as_ref()
            .and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok())
            .map_or(self.duration, Duration::from_secs);
        now.duration_since(since) >= lasts
    }

    fn renewed(&self, lease: &Lease) -> Timed {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = self.seconds();
        Box::new(move |now| LeaseSpec {
            lease_duration_seconds: seconds,
            renew_time: Some(now),
            ..spec
        })
    }

    fn taken(&self, lease: Option<&Lease>) -> Timed {
        let before = lease.and_then(|lease| lease.spec.as_ref()?.lease_transitions);
        let (identity, seconds) = (self.identity.clone(), self.seconds());
        Box::new(move |now| LeaseSpec {
            holder_identity: Some(identity),
            lease_duration_seconds: seconds,
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(before.map_or(0, |before| before.saturating_add(1))),
            ..LeaseSpec::default()
        })
    }

    fn seconds(&self) -> Option<i32> {
        i32::try_from(self.duration.as_secs()).ok()
    }
}

fn holder(lease: &Lease) -> Option<&String> {
    let holder = lease.spec.as_ref()?.holder_identity.as_ref()?;
    (!holder.is_empty()).then_some(holder)
}
