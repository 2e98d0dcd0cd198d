//! What pods run stays as it is until the spec or a Secret says otherwise, and comes back when the spec does.

use std::collections::BTreeMap;

use operator_api::{IntOrPercent, UpgradePolicy};
use operator_core::{Recorded, children::PREPARED};

use super::*;

/// An operator that makes other pods of the same spec, and ships another version of the service.
fn newer() -> Release {
    let pod_annotations = BTreeMap::from([("mesh.example/inject".to_owned(), "yes".to_owned())]);
    Release {
        version: "2.0.0".into(),
        operator: Release::operator_with("0.2.0", &pod_annotations),
        pod_annotations,
        ..release()
    }
}

/// The same, with images from elsewhere.
fn mirrored() -> Release {
    Release {
        repository: "mirror.example/user-service".into(),
        ..newer()
    }
}

/// Image of the preparation that is the only write.
fn prepared_by(plan: &Plan) -> &Value {
    assert_eq!(kinds(plan), [ChildKind::Job]);
    &plan.writes[0].object["spec"]["template"]["spec"]["containers"][0]["image"]
}

/// Carries out what an operator plans, until it plans nothing.
fn settle(world: &mut World, resource: &mut UserService, release: &Release) {
    for _ in 0..6 {
        let plan = plan(world, resource, release, &at(100)).unwrap();
        if plan == Plan::default() {
            return;
        }
        world.live.extend(applied(&plan.writes).live);
        for delete in &plan.deletes {
            world.live.remove(&(delete.kind, delete.name.clone()));
        }
        rolled_out(world);
        if let Some(status) = plan.status {
            resource.status = Some(status);
        }
    }
    panic!("the operator does not come to rest");
}

fn template(world: &World) -> Value {
    let deployment = world.get(ChildKind::Deployment, "users").unwrap();
    deployment["spec"]["template"].clone()
}

fn count(world: &World, kind: ChildKind) -> usize {
    world
        .live
        .keys()
        .filter(|(found, _)| *found == kind)
        .count()
}

/// Number and operator of the revision, by the status.
fn revision(resource: &UserService) -> (i64, &str) {
    let status = resource.status.as_ref().unwrap();
    (
        status.revision.unwrap(),
        status.rendered_by.as_deref().unwrap(),
    )
}

#[test]
fn a_newer_operator_replaces_no_pod_before_the_spec_changes() {
    let (mut resource, mut world) = settled();
    settle(&mut world, &mut resource, &release());
    assert_eq!(revision(&resource), (1, "0.1.0"));
    let before = template(&world);

    settle(&mut world, &mut resource, &newer());
    assert_eq!(template(&world), before);

    // How many there are, and what is around them, is nothing that a pod sees.
    resource.spec.replicas = 7;
    resource.spec.pause = None;
    resource.spec.rollout.max_surge = IntOrPercent::Int(2);
    resource.spec.network = Some(serde_json::from_value(json!({})).unwrap());
    settle(&mut world, &mut resource, &newer());
    assert_eq!(template(&world), before);
    assert_eq!(revision(&resource), (1, "0.1.0"));

    resource.spec.server.max_concurrent_streams = 7;
    settle(&mut world, &mut resource, &newer());
    let annotations = template(&world)["metadata"]["annotations"].clone();
    assert_eq!(annotations, json!({"mesh.example/inject": "yes"}));
    assert_eq!(revision(&resource).0, 2);
    assert!(revision(&resource).1.starts_with("0.2.0+"));
}

#[test]
fn a_foreign_change_of_pods_that_an_older_operator_made_is_undone_to_what_that_made() {
    let (mut resource, mut world) = settled();
    settle(&mut world, &mut resource, &release());
    let before = template(&world);
    let deployment = world
        .live
        .get_mut(&(ChildKind::Deployment, "users".to_owned()))
        .unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("elsewhere/x:1");
    settle(&mut world, &mut resource, &newer());
    assert_eq!(template(&world), before);
}

#[test]
fn a_spec_that_comes_back_comes_back_with_its_template_and_its_settings() {
    let (mut resource, mut world) = settled();
    settle(&mut world, &mut resource, &release());
    let (spec, before) = (resource.spec.clone(), template(&world));
    resource.spec.server.max_concurrent_streams = 7;
    settle(&mut world, &mut resource, &release());
    assert_eq!(count(&world, ChildKind::ConfigMap), 2, "both are kept");

    resource.spec = spec;
    settle(&mut world, &mut resource, &newer());
    assert_eq!(template(&world), before);
    assert_eq!(
        revision(&resource),
        (3, "0.1.0"),
        "the old one is the latest now"
    );
    assert_eq!(count(&world, ChildKind::ControllerRevision), 2);
}

#[test]
fn only_so_many_revisions_are_kept_as_the_history_limit_says() {
    let (mut resource, mut world) = settled();
    resource.spec.rollout.history_limit = 2;
    for streams in 1..=5 {
        resource.spec.server.max_concurrent_streams = streams;
        settle(&mut world, &mut resource, &release());
    }
    assert_eq!(count(&world, ChildKind::ControllerRevision), 3);
    assert_eq!(count(&world, ChildKind::ConfigMap), 3);
    assert_eq!(revision(&resource).0, 6);
}

#[test]
fn with_the_automatic_policy_pods_move_to_a_newer_operator_when_it_is_their_turn() {
    let (mut resource, mut world) = settled();
    resource.spec.upgrade_policy = UpgradePolicy::Automatic;
    settle(&mut world, &mut resource, &release());
    let before = template(&world);
    settle(&mut world, &mut resource, &newer());
    assert_eq!(template(&world), before, "not its turn");

    let turn = Release {
        renews: true,
        ..newer()
    };
    settle(&mut world, &mut resource, &turn);
    let image = &template(&world)["spec"]["containers"][0]["image"];
    assert_eq!(*image, json!("registry.example/user-service:2.0.0"));
    assert!(revision(&resource).1.starts_with("0.2.0+"));
    let after = template(&world);
    settle(&mut world, &mut resource, &newer());
    assert_eq!(template(&world), after, "and stay there");
}

#[test]
fn a_version_that_waited_for_its_preparation_is_not_kept_by_the_operator_that_was_gone_back_to() {
    let (mut resource, mut world) = settled_connected();
    resource.spec.upgrade_policy = UpgradePolicy::Automatic;
    let turn = Release {
        renews: true,
        ..newer()
    };
    let moving = carry_out_by(&turn, &mut world, &mut resource);
    assert_eq!(
        prepared_by(&moving),
        "registry.example/user-service:2.0.0",
        "the pods wait"
    );
    let back = carry_out(&mut world, &mut resource);
    assert_eq!(back.writes, []);
    assert_eq!(ready_reason(&resource), "Available");
    let version = resource.status.as_ref().unwrap().version.as_deref();
    assert_eq!(version, Some("1.2.3"));
}

#[test]
fn a_revision_that_cannot_be_rolled_out_is_not_recorded() {
    let (mut resource, mut world) = settled_connected();
    let before = count(&world, ChildKind::ControllerRevision);
    world.secrets.clear();
    resource.spec.server.max_concurrent_streams = 7;
    let plan = planned(&world, &resource);
    world.live.extend(applied(&plan.writes).live);
    assert_eq!(count(&world, ChildKind::ControllerRevision), before);
}

#[test]
fn a_newer_operator_prepares_nothing_anew_and_tells_the_image_that_runs() {
    let (mut resource, mut world) = settled_connected();
    let planned = |world: &World, resource: &UserService| {
        plan(world, resource, &mirrored(), &at(100)).unwrap()
    };
    assert_eq!(planned(&world, &resource), Plan::default());
    let image = resource.status.as_ref().unwrap().image.as_deref();
    assert_eq!(image, Some("registry.example/user-service:1.2.3"));

    deployment(&mut world)["metadata"]["annotations"][PREPARED] = json!("nothing");
    world.live.retain(|(kind, _), _| *kind != ChildKind::Job);
    let by = planned(&world, &resource);
    assert_eq!(
        prepared_by(&by),
        "registry.example/user-service:1.2.3",
        "what is prepared for pods that run is prepared by their image"
    );

    resource.spec.version = Some("2.0.0".into());
    let by = planned(&world, &resource);
    assert_eq!(prepared_by(&by), "mirror.example/user-service:2.0.0");
    let image = by.status.unwrap().image;
    assert_eq!(image.as_deref(), Some("mirror.example/user-service:2.0.0"));
}

#[test]
fn what_was_prepared_by_the_same_version_from_elsewhere_is_not_prepared_anew() {
    let (mut resource, mut world) = settled_connected();
    let (mut other, mut elsewhere) = (connected(), reachable());
    other.spec.image = Some("mirror.example/user-service:1.2.3".into());
    super::settle(&mut elsewhere, &mut other);
    let prepared = deployment(&mut elsewhere)["metadata"]["annotations"][PREPARED].take();
    deployment(&mut world)["metadata"]["annotations"][PREPARED] = prepared;
    world.live.retain(|(kind, _), _| *kind != ChildKind::Job);

    let before = template(&world);
    let first = plan(&world, &resource, &mirrored(), &at(100)).unwrap();
    assert_eq!(kinds(&first), [ChildKind::Deployment]);
    settle(&mut world, &mut resource, &mirrored());
    assert_eq!(template(&world), before);
}

#[test]
fn the_current_revision_tells_the_annotations_that_the_operator_gave_its_pods() {
    let (mut resource, mut world) = settled_connected();
    resource.spec.pod.annotations = [("theirs".to_owned(), "kept".to_owned())].into();
    settle(&mut world, &mut resource, &release());
    let current = |world: &World, resource: &UserService| {
        let current = Recorded::current(resource, world.live.values()).unwrap();
        (current.operator, current.pod_annotations)
    };
    assert_eq!(current(&world, &resource), (release().operator, [].into()));
    resource.spec.server.max_concurrent_streams = 7;
    settle(&mut world, &mut resource, &newer());
    let newer = newer();
    assert_eq!(
        current(&world, &resource),
        (newer.operator, newer.pod_annotations)
    );

    for live in world.live.values_mut() {
        live["metadata"]["ownerReferences"][0]["uid"] = json!("another");
    }
    assert_eq!(Recorded::current(&resource, world.live.values()), None);
}
