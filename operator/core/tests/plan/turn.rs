//! One resource after the other is moved to a newer operator.

use operator_api::UpgradePolicy;
use operator_core::{is_its_turn, is_outdated};

use super::*;

fn newer() -> Release {
    Release {
        version: "2.0.0".into(),
        operator: "0.2.0".into(),
        ..release()
    }
}

/// A resource that asks for upgrades, moved by this operator and ready.
fn automatic(name: &str, rendered_by: &str) -> UserService {
    let (mut resource, _) = settled();
    resource.metadata.name = Some(name.to_owned());
    resource.spec.upgrade_policy = UpgradePolicy::Automatic;
    resource.status.as_mut().unwrap().rendered_by = Some(rendered_by.to_owned());
    resource
}

fn set(resource: &mut UserService, type_: &str, value: &str) {
    let conditions = &mut resource.status.as_mut().unwrap().conditions;
    let mut condition = conditions[0].clone();
    type_.clone_into(&mut condition.type_);
    value.clone_into(&mut condition.status);
    conditions.retain(|condition| condition.type_ != type_);
    conditions.push(condition);
}

/// Names of those whose turn it is.
fn turns(all: &[UserService]) -> Vec<&str> {
    all.iter()
        .filter(|one| is_outdated(one, &newer()) && is_its_turn(one, all.iter(), &newer()))
        .filter_map(|one| one.metadata.name.as_deref())
        .collect()
}

#[test]
fn the_first_by_name_comes_first() {
    let all = ["b", "a", "c"].map(|name| automatic(name, "0.1.0"));
    assert_eq!(turns(&all), ["a"]);
}

#[test]
fn the_next_waits_until_the_one_before_is_ready() {
    let mut all = [automatic("a", "0.2.0"), automatic("b", "0.1.0")];
    set(&mut all[0], "Ready", "False");
    assert_eq!(turns(&all), Vec::<&str>::new());
    set(&mut all[0], "Ready", "True");
    assert_eq!(turns(&all), ["b"]);
    all[0].metadata.generation = Some(2);
    assert_eq!(turns(&all), Vec::<&str>::new(), "ready was its former spec");
}

#[test]
fn one_that_cannot_move_holds_nobody_up() {
    for condition in ["Paused", "Stalled"] {
        let mut all = [automatic("a", "0.1.0"), automatic("b", "0.1.0")];
        set(&mut all[0], condition, "True");
        assert_eq!(turns(&all), ["a", "b"], "{condition}");
    }
}

#[test]
fn whoever_decides_by_hand_has_no_turn_and_holds_nobody_up() {
    let mut all = [automatic("a", "0.1.0"), automatic("b", "0.1.0")];
    all[0].spec.upgrade_policy = UpgradePolicy::Manual;
    set(&mut all[0], "Ready", "False");
    assert_eq!(turns(&all), ["b"]);
}

#[test]
fn one_that_never_ran_holds_nobody_up() {
    let mut all = [automatic("a", "0.1.0"), automatic("b", "0.1.0")];
    all[0].status.as_mut().unwrap().rendered_by = None;
    set(&mut all[0], "Ready", "False");
    set(&mut all[0], "Stalled", "True");
    assert_eq!(turns(&all), ["b"]);
}

/// A resource of which this release cannot be prepared for.
fn failed(mut resource: UserService, mut world: World, release: &Release) -> UserService {
    world.live.retain(|(kind, _), _| *kind != ChildKind::Job);
    carry_out_by(release, &mut world, &mut resource);
    finish_job(&mut world, "Failed");
    carry_out_by(release, &mut world, &mut resource);
    assert_eq!(ready_reason(&resource), "PreparationFailed");
    resource
}

#[test]
fn a_version_that_cannot_be_prepared_for_stops_at_the_first() {
    let (mut first, world) = settled_connected();
    first.spec.upgrade_policy = UpgradePolicy::Automatic;
    let turn = Release {
        renews: true,
        ..newer()
    };
    let mut all = [failed(first, world, &turn), automatic("z", "0.1.0")];
    assert_eq!(turns(&all), ["users"]);
    set(&mut all[0], "Paused", "True");
    assert_eq!(turns(&all), ["users", "z"], "somebody took it out");
}

#[test]
fn a_version_of_its_own_that_cannot_be_prepared_for_holds_nobody_up() {
    let (mut first, world) = settled_connected();
    first.spec.upgrade_policy = UpgradePolicy::Automatic;
    first.spec.version = Some("1.9.9".into());
    let mut all = [failed(first, world, &release()), automatic("z", "0.1.0")];
    assert_eq!(turns(&all), ["users", "z"]);
    all[0].spec.version = Some("2.0.0".into());
    all[0].status.as_mut().unwrap().image = Some("registry.example/user-service:2.0.0".into());
    assert_eq!(
        turns(&all),
        ["users", "z"],
        "the one that it names is not the operator's doing"
    );
}
