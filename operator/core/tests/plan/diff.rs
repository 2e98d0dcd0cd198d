//! What a diff tells of a plan.

use operator_api::{PauseSpec, ReclaimPolicy, UserService};
use operator_core::{Action, Change, ChildKind, Diff, Rule, World, diff};
use serde_json::json;

use super::{
    at, carry_out, connected, deployment, reachable, release, resource, rolled_out, settled,
    settled_connected,
};

fn diffed(world: &World, resource: &UserService) -> Diff {
    diff(world, resource, &release(), &at(100)).unwrap()
}

fn of<'a>(diff: &'a Diff, kind: &str, action: Action) -> &'a Change {
    diff.changes
        .iter()
        .find(|change| change.kind == kind && change.action == action)
        .unwrap_or_else(|| panic!("{action:?} {kind} in {:?}", diff.changes))
}

#[test]
fn at_rest_a_diff_is_empty() {
    let (resource, world) = settled();
    let diff = diffed(&world, &resource);
    assert!(diff.is_empty(), "{diff:?}");
}

#[test]
fn a_resource_that_is_not_there_yet_has_new_children_only_and_restarts_nothing() {
    let diff = diffed(&World::default(), &resource());
    assert_eq!(diff.changes.len(), 7);
    assert!(
        diff.changes
            .iter()
            .all(|change| change.rule == Rule::NewChild)
    );
    assert!(!diff.restarts_pods());
    assert_eq!(diff.standing, None, "nothing waits");
}

#[test]
fn a_foreign_edit_is_drift_and_names_the_field_with_both_values() {
    let (resource, mut world) = settled();
    deployment(&mut world)["spec"]["replicas"] = json!(7);
    let diff = diffed(&world, &resource);
    let change = of(&diff, "Deployment", Action::Update);
    assert_eq!(change.rule, Rule::Drift);
    assert!(!change.restarts_pods, "more or fewer pods restart none");
    let fields: Vec<_> = change
        .fields
        .iter()
        .map(|field| (field.path.as_str(), field.from.clone(), field.to.clone()))
        .collect();
    assert_eq!(fields, [("spec.replicas", Some(json!(7)), json!(2))]);
}

#[test]
fn a_new_setting_is_a_spec_change_that_restarts_pods_and_the_old_settings_stay_with_their_revision()
{
    let (mut resource, world) = settled();
    resource.spec.server.max_concurrent_streams = 7;
    let diff = diffed(&world, &resource);
    let change = of(&diff, "Deployment", Action::Update);
    assert_eq!(change.rule, Rule::SpecChange);
    assert!(change.restarts_pods && diff.restarts_pods());
    assert!(
        change
            .fields
            .iter()
            .all(|field| field.path.starts_with("spec.template.")),
        "{:?}",
        change.fields
    );
    let new = of(&diff, "ConfigMap", Action::Create);
    assert_eq!(new.rule, Rule::NewChild);
    assert!(
        diff.changes
            .iter()
            .all(|change| change.action != Action::Delete)
    );
}

#[test]
fn more_replicas_are_a_spec_change_that_restarts_nothing() {
    let (mut resource, world) = settled();
    resource.spec.replicas = 5;
    let diff = diffed(&world, &resource);
    let change = of(&diff, "Deployment", Action::Update);
    assert_eq!(
        (change.rule, change.restarts_pods),
        (Rule::SpecChange, false)
    );
}

#[test]
fn pods_that_wait_for_their_preparation_are_told_with_the_reason() {
    let diff = diffed(&reachable(), &connected());
    let job = of(&diff, "Job", Action::Create);
    let pods = of(&diff, "Deployment", Action::Create);
    assert_eq!(job.waits_for, None);
    assert!(pods.waits_for.is_some());
    let reason = diff.standing.as_ref().map(|standing| &standing.reason);
    assert_eq!(reason, pods.waits_for.as_ref());
}

#[test]
fn a_missing_secret_holds_the_pods_and_is_named() {
    let (resource, mut world) = settled_connected();
    world.secrets.clear();
    let diff = diffed(&world, &resource);
    let standing = diff.standing.unwrap();
    assert_eq!(standing.reason, "SecretMissing");
    assert!(standing.message.contains("users-mongodb"), "{standing:?}");
}

#[test]
fn a_name_that_somebody_else_has_blocks_everything() {
    let mut world = World::default();
    world.live.insert(
        (ChildKind::Service, "users".into()),
        json!({"metadata": {"name": "users", "uid": "theirs"}}),
    );
    let diff = diffed(&world, &resource());
    assert!(!diff.is_empty() && diff.changes.is_empty());
    assert_eq!(diff.standing.unwrap().reason, "NameConflict");
}

#[test]
fn what_waits_for_the_end_of_a_pause_is_told_with_deletes_and_the_finalizer() {
    let (mut resource, mut world) = settled_connected();
    resource.spec.network = Some(serde_json::from_value(json!({})).unwrap());
    carry_out(&mut world, &mut resource);
    resource.spec.network = None;
    let kafka = resource.spec.events.as_mut().unwrap().kafka.as_mut();
    kafka.unwrap().topics.reclaim_policy = ReclaimPolicy::Delete;
    let waits = |resource: &UserService| {
        let diff = diffed(&world, resource);
        let policy = of(&diff, "NetworkPolicy", Action::Delete);
        let reason = diff.standing.as_ref().map(|one| one.reason.clone());
        (policy.waits_for.clone(), diff.finalizer, reason)
    };
    assert_eq!(waits(&resource), (None, Some(true), None));

    resource.spec.pause = Some(PauseSpec::default());
    let paused = Some("ChangesPaused".to_owned());
    assert_eq!(waits(&resource), (paused.clone(), Some(true), paused));
}

#[test]
fn what_a_diff_does_at_once_is_what_the_plan_writes() {
    let (mut resource, mut world) = settled_connected();
    resource.spec.replicas = 9;
    resource.spec.server.max_concurrent_streams = 7;
    rolled_out(&mut world);
    let plan = super::planned(&world, &resource);
    let planned: Vec<_> = plan
        .writes
        .iter()
        .map(|child| (child.kind.name(), child.name.clone()))
        .collect();
    let told: Vec<_> = diffed(&world, &resource)
        .changes
        .into_iter()
        .filter(|change| change.action != Action::Delete && change.waits_for.is_none())
        .map(|change| (change.kind, change.name))
        .collect();
    assert_eq!(told, planned);
    assert!(!told.is_empty());
}
