//! Where a resource stands, and the conditions that say so.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use operator_api::{
    UserService,
    condition::{READY, RECONCILING, STALLED, reason},
};

use super::{FALSE, TRUE, UNKNOWN, condition};

/// The pictures that `Ready`, `Reconciling` and `Stalled` can make together. There is no other:
/// `kstatus` reads each of them as exactly one of Current, `InProgress` and Failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Everything is as described: Current.
    Settled,
    /// Work goes on, and nothing is known to be wrong: `InProgress`.
    Moving,
    /// Work goes on over something that is wrong, which may end without the user: `InProgress`.
    Impaired,
    /// Nothing gets better without a change by the user: Failed.
    Stuck,
}

impl Health {
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::Settled, Self::Moving, Self::Impaired, Self::Stuck];

    const fn ready(self) -> &'static str {
        match self {
            Self::Settled => TRUE,
            Self::Moving => UNKNOWN,
            Self::Impaired | Self::Stuck => FALSE,
        }
    }

    /// The condition that is there only while it is true.
    const fn abnormal(self) -> Option<&'static str> {
        match self {
            Self::Settled => None,
            Self::Moving | Self::Impaired => Some(RECONCILING),
            Self::Stuck => Some(STALLED),
        }
    }
}

/// Where a resource stands, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stage {
    pub(crate) health: Health,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Stage {
    pub(crate) const fn settled(message: String) -> Self {
        Self::new(Health::Settled, reason::AVAILABLE, message)
    }

    pub(crate) const fn moving(reason: &'static str, message: String) -> Self {
        Self::new(Health::Moving, reason, message)
    }

    pub(crate) const fn impaired(reason: &'static str, message: String) -> Self {
        Self::new(Health::Impaired, reason, message)
    }

    pub(crate) const fn stuck(reason: &'static str, message: String) -> Self {
        Self::new(Health::Stuck, reason, message)
    }

    const fn new(health: Health, reason: &'static str, message: String) -> Self {
        Self {
            health,
            reason,
            message,
        }
    }

    /// The conditions that say so, with the same reason and message.
    pub(super) fn conditions(self, resource: &UserService, now: &Time) -> Vec<Condition> {
        let Self {
            health,
            reason,
            message,
        } = self;
        let abnormal = health
            .abnormal()
            .map(|type_| condition(resource, type_, TRUE, reason, message.clone(), now));
        let ready = condition(
            resource,
            READY,
            health.ready(),
            reason,
            message.clone(),
            now,
        );
        [Some(ready), abnormal].into_iter().flatten().collect()
    }
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
