//! Whether a resource is paused: nothing of it is written then but its status.

use std::time::Duration;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube_core::ResourceExt;
use operator_api::{
    PAUSED_ANNOTATION, TOPICS_FINALIZER, UserService,
    condition::{PAUSED, reason},
};

use crate::{
    Plan,
    plan::{RESYNC, is_of_pods},
    status::{Stage, TRUE, condition},
};

/// A pause in force.
pub(crate) struct Pause {
    /// When it ends by itself.
    until: Option<Timestamp>,
    reason: &'static str,
    why: Option<String>,
}

impl Pause {
    /// The pause that is in force now. An annotation of whoever is in need goes before the spec.
    pub(crate) fn of(resource: &UserService, now: &Time) -> Option<Self> {
        [by_annotation(resource), by_spec(resource)]
            .into_iter()
            .flatten()
            .find(|pause| pause.until.is_none_or(|until| now.0 < until))
    }

    /// How long it still lasts, if it ends by itself and before the resource is looked at in any case.
    pub(crate) fn left(&self, now: &Time) -> Option<Duration> {
        let left = Duration::try_from(self.until?.duration_since(now.0)).ok();
        left.filter(|left| *left <= RESYNC)
    }

    /// Where a resource stands for which `waiting` would be done.
    pub(crate) fn stage(&self, waiting: &[String]) -> Stage {
        let message = format!("{} These wait: {}.", self.message(), waiting.join(", "));
        if self.until.is_some() {
            Stage::moving(reason::CHANGES_PAUSED, message)
        } else {
            Stage::stuck(reason::CHANGES_PAUSED, message)
        }
    }

    fn message(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(" ({why})"));
        let until = self.until.map_or_else(
            || " until spec.pause or the annotation is taken away".to_owned(),
            |until| format!(" until {until}"),
        );
        format!(
            "Nothing but the status is written{until}{}.",
            why.unwrap_or_default()
        )
    }
}

/// What a pause keeps from being done. What goes only once no pod can restart with it is not told: it may stay.
pub(crate) fn held_back(plan: &Plan) -> Vec<String> {
    let mut waiting = Vec::new();
    for child in plan.writes.iter().chain(&plan.hand_over) {
        let child = format!("{} {}", child.kind.name(), child.name);
        if !waiting.contains(&child) {
            waiting.push(child);
        }
    }
    let deletes = plan
        .deletes
        .iter()
        .filter(|delete| !is_of_pods(delete.kind));
    waiting.extend(
        deletes.map(|delete| format!("deletion of {} {}", delete.kind.name(), delete.name)),
    );
    if plan.finalizer.is_some() {
        waiting.push(format!("finalizer {TOPICS_FINALIZER}"));
    }
    if !plan.topics.is_empty() {
        waiting.push("topics".to_owned());
    }
    waiting
}

/// The condition that says so, present only while it is true.
pub(crate) fn paused(resource: &UserService, now: &Time) -> Option<Condition> {
    let pause = Pause::of(resource, now)?;
    let message = pause.message();
    Some(condition(
        resource,
        PAUSED,
        TRUE,
        pause.reason,
        message,
        now,
    ))
}

fn by_spec(resource: &UserService) -> Option<Pause> {
    let pause = resource.spec.pause.as_ref()?;
    Some(Pause {
        until: pause.until.as_ref().map(|until| until.0),
        reason: reason::PAUSED_BY_SPEC,
        why: pause.reason.clone(),
    })
}

/// What is no time pauses all the same: whoever sets it wants the writing to stop.
fn by_annotation(resource: &UserService) -> Option<Pause> {
    let value = resource.annotations().get(PAUSED_ANNOTATION)?;
    (!matches!(value.as_str(), "" | "false")).then(|| Pause {
        until: value.parse().ok(),
        reason: reason::PAUSED_BY_ANNOTATION,
        why: None,
    })
}
