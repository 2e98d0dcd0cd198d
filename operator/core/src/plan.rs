use std::time::Duration;

use crate::{
    Child, ChildKind, Release, Validated, Violation, World, children,
    contained::contained,
    status::{self, Obstacle},
    validate::validate,
    world::{Owner, owner_of},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use operator_api::{UserService, UserServiceStatus, condition};

/// How often a name conflict is looked at again: the other object is not watched.
const CONFLICT_RECHECK: Duration = Duration::from_secs(10);

/// How soon the result of writes, or of the garbage collector's work, is looked at: neither has to
/// bring an event of its own.
const WRITE_RECHECK: Duration = Duration::from_secs(1);

/// What has to be done for one resource. Empty at rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Objects to apply, in this order.
    pub writes: Vec<Child>,
    /// Objects to delete, after all writes.
    pub deletes: Vec<Delete>,
    /// The new status, if it differs from the one in force.
    pub status: Option<UserServiceStatus>,
    /// When to look again even if nothing changes.
    pub requeue: Option<Duration>,
}

/// A deliberate delete: of this very object, not of whatever has its name by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// Kind of the object.
    pub kind: ChildKind,
    /// Its name.
    pub name: String,
    /// Its UID, a precondition of the delete.
    pub uid: String,
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
    let desired = children::build(&validated)?;
    if let Some((obstacle, recheck)) = name_taken(world, &desired, validated.owner.as_ref()) {
        let status = status::held_up(world, resource, obstacle, now);
        return Ok(report(resource, status, Some(recheck)));
    }
    let deletes = orphans(world, &desired, &validated);
    let writes: Vec<Child> = desired
        .into_iter()
        .filter(|child| !is_applied(world, child))
        .collect();
    let writing = !writes.is_empty();
    let status = status::observed(resource, &validated, world, writing, now);
    // Old settings are kept until no pod can restart with them.
    let rolled_out = status
        .conditions
        .iter()
        .any(|condition| condition.type_ == condition::READY && condition.status == "True");
    Ok(Plan {
        writes,
        deletes: if rolled_out { deletes } else { Vec::new() },
        ..report(resource, status, writing.then_some(WRITE_RECHECK))
    })
}

/// The children as a first apply would write them, without a cluster.
///
/// # Errors
/// The violations of the spec, or a serialisation error, which would be a bug.
pub fn render(resource: &UserService, release: &Release) -> Result<Vec<Child>, RenderError> {
    let validated = validate(resource, release).map_err(RenderError::Invalid)?;
    Ok(children::build(&validated)?)
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

fn report(resource: &UserService, status: UserServiceStatus, requeue: Option<Duration>) -> Plan {
    let mut current = resource.status.clone();
    if let Some(current) = &mut current {
        // Others may add conditions of their own; those are not ours to compare.
        current
            .conditions
            .retain(|condition| condition::OURS.contains(&condition.type_.as_str()));
    }
    let changed = current.as_ref() != Some(&status);
    Plan {
        status: changed.then_some(status),
        requeue,
        ..Plan::default()
    }
}

fn is_applied(world: &World, child: &Child) -> bool {
    world
        .get(child.kind, &child.name)
        .is_some_and(|live| contained(&child.object, live))
}

/// The first child whose name is taken by an object that is not ours, and when to look again.
fn name_taken<'a>(
    world: &World,
    desired: &'a [Child],
    us: Option<&OwnerReference>,
) -> Option<(Obstacle<'a>, Duration)> {
    desired.iter().find_map(|child| {
        let live = world.get(child.kind, &child.name)?;
        match us.map_or(Owner::Stranger, |us| owner_of(live, us)) {
            Owner::Us => None,
            Owner::Predecessor => Some((Obstacle::AwaitingRemoval(child), WRITE_RECHECK)),
            Owner::Stranger => Some((Obstacle::NameConflict(child), CONFLICT_RECHECK)),
        }
    })
}

/// Live objects of ours that are not desired any more.
fn orphans(world: &World, desired: &[Child], validated: &Validated) -> Vec<Delete> {
    let Some(owner) = &validated.owner else {
        return Vec::new();
    };
    world
        .live
        .iter()
        .filter(|((kind, name), _)| {
            !desired
                .iter()
                .any(|child| child.kind == *kind && child.name == *name)
        })
        .filter(|(_, live)| {
            owner_of(live, owner) == Owner::Us
                && live.pointer("/metadata/deletionTimestamp").is_none()
        })
        .filter_map(|((kind, name), live)| {
            let uid = live.pointer("/metadata/uid")?.as_str()?.to_owned();
            Some(Delete {
                kind: *kind,
                name: name.clone(),
                uid,
            })
        })
        .collect()
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

/// Kind and name of every child that the resource would have; none if its spec breaks rules.
pub fn child_names(resource: &UserService, release: &Release) -> Vec<(ChildKind, String)> {
    render(resource, release)
        .map(|children| {
            children
                .into_iter()
                .map(|child| (child.kind, child.name))
                .collect()
        })
        .unwrap_or_default()
}
