use std::{collections::BTreeSet, time::Duration};

use crate::{
    Child, ChildKind, Release, TopicChange, Validated, Violation, World, certificate, children,
    diagnosis::awaits_pods,
    hold::{self, Retry},
    pause::{self, Pause},
    removal::has_finalizer,
    revision::{self, Revision},
    scaling,
    secrets::{self, Fingerprints},
    status::{self, Findings, Obstacle},
    topics,
    validate::validate,
    world::{Owner, at, owner_of},
    writes::writes,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use operator_api::{UserService, UserServiceStatus, condition};
use serde_json::Value;

/// Within this time a resource is looked at even if nothing is told of it: a watch that had to start over
/// does not tell what vanished in between.
pub const RESYNC: Duration = Duration::from_mins(10);

/// How often it is looked again at a name conflict, whose other object is not watched, and for a kind
/// that the cluster does not know.
pub(crate) const CONFLICT_RECHECK: Duration = Duration::from_secs(10);

/// How soon it is looked again after writes that were told of before they were made, or that left
/// something over, and after deletes, also the garbage collector's: none has to bring an event of its own.
pub const WRITE_RECHECK: Duration = Duration::from_secs(1);

/// How soon it is looked again whether a preparation has pods: what keeps them from being made brings
/// no event of its own.
const PODS_RECHECK: Duration = Duration::from_secs(2);

/// What has to be done for one resource. Empty at rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Whether [`TOPICS_FINALIZER`](operator_api::TOPICS_FINALIZER) is to be set (`true`) or taken
    /// away (`false`), before all else.
    pub finalizer: Option<bool>,
    /// Topics to change, before any child is written. What follows from it is planned anew.
    pub topics: Vec<TopicChange>,
    /// The number of pods, to be applied by
    /// [`REPLICAS_MANAGER`](crate::children::REPLICAS_MANAGER) before all writes.
    pub hand_over: Option<Child>,
    /// Objects to apply, in this order.
    pub writes: Vec<Child>,
    /// Objects to delete, after all writes.
    pub deletes: Vec<Delete>,
    /// The new status, if it differs from the one in force.
    pub status: Option<UserServiceStatus>,
    /// When to look again even if nothing changes.
    pub requeue: Option<Duration>,
    /// Whether something outside the API server stands in the way: look again, later each time.
    pub troubled: bool,
}

/// A deliberate delete: of this very object as it was seen, not of whatever has its name by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// Kind of the object.
    pub kind: ChildKind,
    /// Its name.
    pub name: String,
    /// Its UID, a precondition of the delete.
    pub uid: String,
    /// Its version, another one: whoever changed it since may have made it theirs.
    pub resource_version: String,
    /// Whether it is to stay until everything that it owns is gone.
    pub foreground: bool,
}

/// Compares what `resource` asks for with what `world` holds.
///
/// # Errors
/// Only if a child cannot be serialised, which would be a bug.
pub fn plan(
    world: &World,
    resource: &UserService,
    release: &Release,
    now: &Time,
) -> Result<Plan, serde_json::Error> {
    let validated = match validate(resource, release) {
        Ok(validated) => validated,
        Err(violations) => {
            let obstacle = Obstacle::InvalidSpec(&violations);
            let status = status::held_up(world, resource, obstacle, now);
            return Ok(report(resource, status, None));
        }
    };
    let secrets = secrets::fingerprints(validated.secret_needs(), &world.secrets);
    let unknown = Fingerprints::default();
    let hashes = secrets.as_ref().unwrap_or(&unknown);
    let replicas = scaling::replicas(world, &validated);
    let pods = hashes.pods.as_deref();
    let wanted = Revision::wanted(world, &validated, &resource.spec, release, pods)?;
    let image = wanted.image(&validated).to_owned();
    let preparation = hashes.preparation.as_deref();
    let children = children::build(&validated, &wanted, preparation, replicas)?;
    if let Some((obstacle, recheck)) = name_taken(world, &children.all, &validated) {
        let status = status::held_up(world, resource, obstacle, now);
        return Ok(report(resource, status, Some(recheck)));
    }
    let review = validated
        .topics
        .as_ref()
        .map(|topics| topics::review(topics, world, &status::remembered(resource)));
    let retry = hold::retry(world, &validated, &children, now);
    let hold = match &secrets {
        Ok(_) => hold::hold(world, &validated, &children, review.as_ref()),
        Err(missing) => Some(hold::secret_missing(missing.clone())),
    };
    let deletes = orphans(world, &children.all, &validated);
    let job = children.job();
    let waits_for_pods = job.is_some_and(|job| awaits_pods(world, resource, &job.name).is_some());
    let writes = writes(world, &validated, children, wanted, hold.as_ref());
    let hand_over = scaling::hand_over(world, &validated, &writes);
    let writing =
        !writes.is_empty() || hand_over.is_some() || scaling::is_taking_back(world, &validated);
    if let Some(pause) = Pause::of(resource, now) {
        let held_back = pause::held_back(&Plan {
            finalizer: finalizer(resource, &validated),
            topics: review
                .as_ref()
                .map_or_else(Vec::new, |review| review.changes.clone()),
            hand_over,
            writes,
            deletes,
            ..Plan::default()
        });
        let stage = (!held_back.is_empty()).then(|| pause.stage(&held_back));
        let findings = Findings {
            image,
            hold: hold.or(stage),
            writing: false,
            review: review.as_ref(),
        };
        let status = status::observed(resource, &validated, world, findings, now);
        return Ok(report(resource, status, pause.left(now)));
    }
    let findings = Findings {
        image,
        hold,
        writing,
        review: review.as_ref(),
    };
    let status = status::observed(resource, &validated, world, findings, now);
    let rolled_out = status
        .conditions
        .iter()
        .any(|condition| condition.type_ == condition::READY && condition.status == "True");
    let review = review.filter(|_| validated.has_kafka_secret(&world.secrets));
    let troubled = review.as_ref().is_some_and(|review| review.troubled);
    let topics = review.map_or_else(Vec::new, |review| review.changes);
    let recheck = if writing || !topics.is_empty() {
        Some(WRITE_RECHECK)
    } else {
        again(world, &validated, waits_for_pods)
    };
    let mut deletes = deletes;
    deletes.retain(|delete| rolled_out || !is_of_pods(delete.kind));
    let recheck = try_again(retry, &mut deletes, recheck);
    Ok(Plan {
        finalizer: finalizer(resource, &validated),
        // Changes that do not show although they were made are not made each second.
        troubled: troubled || !topics.is_empty(),
        topics,
        hand_over,
        writes,
        deletes,
        ..report(resource, status, recheck)
    })
}

/// When to look again at what brings no event.
fn again(world: &World, validated: &Validated, waits_for_pods: bool) -> Option<Duration> {
    if waits_for_pods {
        return Some(PODS_RECHECK);
    }
    let waits = !world.claims.is_empty() || certificate::lacks_cert_manager(world, validated);
    waits.then_some(CONFLICT_RECHECK)
}

/// Whether what is replaced is kept until no pod can restart with it.
pub(crate) fn is_of_pods(kind: ChildKind) -> bool {
    matches!(
        kind,
        ChildKind::ConfigMap | ChildKind::ControllerRevision | ChildKind::Job
    )
}

/// Adds to `deletes` what a new attempt of a failed preparation asks for, and says when to look.
fn try_again(
    retry: Option<Retry>,
    deletes: &mut Vec<Delete>,
    recheck: Option<Duration>,
) -> Option<Duration> {
    match retry {
        None => recheck,
        Some(Retry::Later(wait)) => Some(recheck.map_or(wait, |recheck| recheck.min(wait))),
        // The next pass makes it anew.
        Some(Retry::Now(delete)) => {
            deletes.push(delete);
            Some(WRITE_RECHECK)
        }
    }
}

/// The finalizer is there exactly while topics are to be deleted with the resource.
pub(crate) fn finalizer(resource: &UserService, validated: &Validated) -> Option<bool> {
    let wanted = validated
        .topics
        .as_ref()
        .is_some_and(|topics| !topics.reclaimed.is_empty());
    (wanted != has_finalizer(resource)).then_some(wanted)
}

/// The children as a first apply would write them, without a cluster.
///
/// # Errors
/// The violations of the spec, or a serialisation error, which would be a bug.
pub fn render(resource: &UserService, release: &Release) -> Result<Vec<Child>, RenderError> {
    let validated = validate(resource, release).map_err(RenderError::Invalid)?;
    let world = World::default();
    let replicas = scaling::replicas(&world, &validated);
    let wanted = Revision::wanted(&world, &validated, &resource.spec, release, None)?;
    let mut children = children::build(&validated, &wanted, None, replicas)?.all;
    wanted.complete(&mut children);
    Ok(children)
}

/// Why a resource could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The spec breaks rules.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Violation>),
    /// A child could not be serialised.
    #[error("cannot serialise a child: {0}")]
    Serialise(#[from] serde_json::Error),
}

pub(crate) fn report(
    resource: &UserService,
    status: UserServiceStatus,
    requeue: Option<Duration>,
) -> Plan {
    let current = resource.status.as_ref();
    let is_in_force = current.is_some_and(|current| is_same(current, &status));
    Plan {
        status: (!is_in_force).then_some(status),
        requeue,
        ..Plan::default()
    }
}

/// Whether a status in force says the same. Others may add conditions of their own; those are not
/// ours to compare.
fn is_same(current: &UserServiceStatus, status: &UserServiceStatus) -> bool {
    let is_ours = |condition: &Condition| condition::OURS.contains(&condition.type_.as_str());
    if current.conditions.iter().all(is_ours) {
        return current == status;
    }
    let mut ours = current.clone();
    ours.conditions.retain(is_ours);
    ours == *status
}

/// The first name that is taken by an object that is not ours, and when to look again.
pub(crate) fn name_taken<'a>(
    world: &World,
    desired: &'a [Child],
    validated: &Validated,
) -> Option<(Obstacle<'a>, Duration)> {
    let us = validated.owner.as_ref();
    let child = desired.iter().find_map(|child| {
        let live = world.get(child.kind, &child.name)?;
        match us.map_or(Owner::Stranger, |us| owner_of(live, us)) {
            Owner::Us => None,
            Owner::Predecessor => Some((Obstacle::AwaitingRemoval(child), WRITE_RECHECK)),
            Owner::Stranger => Some((Obstacle::NameConflict(child), CONFLICT_RECHECK)),
        }
    });
    child.or_else(|| {
        Some((
            certificate::secret_taken(world, validated)?,
            CONFLICT_RECHECK,
        ))
    })
}

/// Live objects of ours that are not desired any more, nor kept to come back to.
pub(crate) fn orphans(world: &World, desired: &[Child], validated: &Validated) -> Vec<Delete> {
    let Some(owner) = &validated.owner else {
        return Vec::new();
    };
    let wanted = desired
        .iter()
        .find(|child| child.kind == ChildKind::ControllerRevision);
    let kept = wanted.map_or_else(BTreeSet::new, |wanted| {
        revision::kept(world, validated, &wanted.name)
    });
    world
        .live
        .iter()
        .filter(|(key, _)| !kept.contains(key))
        .filter(|((kind, name), _)| {
            !desired
                .iter()
                .any(|child| child.kind == *kind && child.name == *name)
        })
        .filter(|(_, live)| owner_of(live, owner) == Owner::Us)
        .filter_map(|((kind, name), live)| delete_of(*kind, name, live))
        .collect()
}

/// The delete of a live object, unless it is on its way already.
pub(crate) fn delete_of(kind: ChildKind, name: &str, live: &Value) -> Option<Delete> {
    if at(live, &["metadata", "deletionTimestamp"]).is_some() {
        return None;
    }
    let field = |field| Some(at(live, &["metadata", field])?.as_str()?.to_owned());
    Some(Delete {
        kind,
        name: name.to_owned(),
        uid: field("uid")?,
        resource_version: field("resourceVersion")?,
        foreground: false,
    })
}

/// The status to report when the API server refused one of the writes, if it differs from the one
/// in force. `refusal` says what was refused and why.
pub fn refused(
    world: &World,
    resource: &UserService,
    refusal: String,
    now: &Time,
) -> Option<UserServiceStatus> {
    let obstacle = Obstacle::WriteRefused(refusal);
    let status = status::held_up(world, resource, obstacle, now);
    report(resource, status, None).status
}

/// Kind and name of every child that the resource would have, given its revisions and what its
/// Secrets hold; none if its spec breaks rules.
pub fn child_names(
    world: &World,
    resource: &UserService,
    release: &Release,
) -> Vec<(ChildKind, String)> {
    let Ok(validated) = validate(resource, release) else {
        return Vec::new();
    };
    let Fingerprints { pods, preparation } =
        secrets::fingerprints(validated.secret_needs(), &world.secrets).unwrap_or_default();
    Revision::wanted(world, &validated, &resource.spec, release, pods.as_deref())
        .map(|wanted| children::names(&validated, &wanted, preparation.as_deref()))
        .unwrap_or_default()
}
