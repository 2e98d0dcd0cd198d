//! A paused resource: nothing is written but its status.

use operator_api::{PAUSED_ANNOTATION, PauseSpec, ReclaimPolicy, UserService};
use operator_core::{ChildKind, Plan, World, plan};
use serde_json::json;

use super::{
    at, carry_out, condition, deployment, planned, release, rolled_out, settled, settled_connected,
};

fn pause(resource: &mut UserService, until: Option<i64>) {
    resource.spec.pause = Some(PauseSpec {
        until: until.map(at),
        reason: Some("migration by hand".into()),
    });
}

/// Whether a plan leaves everything but the status as it is.
fn only_reports(plan: &Plan) -> bool {
    let reports = Plan {
        status: plan.status.clone(),
        requeue: plan.requeue,
        ..Plan::default()
    };
    *plan == reports
}

#[test]
fn a_paused_resource_is_left_as_it_is_and_says_so() {
    let (mut resource, world) = settled();
    pause(&mut resource, None);
    let plan = planned(&world, &resource);
    assert!(only_reports(&plan) && plan.requeue.is_none(), "{plan:?}");
    let status = plan.status.unwrap();
    let paused = condition(&status, "Paused").unwrap();
    assert_eq!(paused.reason, "PausedBySpec");
    assert!(
        paused.message.contains("migration by hand"),
        "{}",
        paused.message
    );
    assert_eq!(
        condition(&status, "Ready").unwrap().status,
        "True",
        "the pods are as they were"
    );
    resource.status = Some(status);
    assert_eq!(planned(&world, &resource), Plan::default(), "told once");
}

#[test]
fn what_waits_for_the_end_of_a_pause_is_named() {
    let (mut resource, world) = settled();
    resource.spec.replicas = 5;
    for (until, abnormal) in [(None, "Stalled"), (Some(160), "Reconciling")] {
        pause(&mut resource, until);
        let plan = planned(&world, &resource);
        assert!(only_reports(&plan), "{plan:?}");
        let status = plan.status.unwrap();
        let told = condition(&status, abnormal).unwrap();
        assert_eq!(told.reason, "ChangesPaused");
        assert!(
            told.message.contains("Deployment users"),
            "{}",
            told.message
        );
    }
}

/// What `Ready` says of a paused resource for which something waits.
fn waiting(world: &World, resource: &UserService) -> String {
    let plan = planned(world, resource);
    assert!(only_reports(&plan), "{plan:?}");
    let status = plan.status.unwrap();
    let ready = condition(&status, "Ready").unwrap();
    assert_eq!(ready.reason, "ChangesPaused");
    ready.message.clone()
}

#[test]
fn what_a_pause_keeps_from_being_deleted_is_named_too() {
    let (mut resource, mut world) = settled();
    let autoscaling = json!({"min": 2, "max": 4, "cpu": 70});
    resource.spec.autoscaling = Some(serde_json::from_value(autoscaling).unwrap());
    carry_out(&mut world, &mut resource);
    deployment(&mut world)["spec"]["replicas"] = json!(2);
    rolled_out(&mut world);
    carry_out(&mut world, &mut resource);
    assert_eq!(super::ready_reason(&resource), "Available");

    resource.spec.autoscaling = None;
    resource.metadata.generation = Some(2);
    pause(&mut resource, None);
    let message = waiting(&world, &resource);
    let named = "These wait: deletion of HorizontalPodAutoscaler users.";
    assert!(message.contains(named), "{message}");
}

#[test]
fn a_finalizer_that_a_pause_keeps_from_being_set_is_named_too() {
    let (mut resource, world) = settled_connected();
    let kafka = resource.spec.events.as_mut().unwrap().kafka.as_mut();
    kafka.unwrap().topics.reclaim_policy = ReclaimPolicy::Delete;
    pause(&mut resource, None);
    let message = waiting(&world, &resource);
    let named = "These wait: finalizer usersvc.dev/topics.";
    assert!(message.contains(named), "{message}");
}

#[test]
fn what_is_kept_for_pods_that_may_restart_with_it_does_not_wait_for_the_end_of_a_pause() {
    let (mut resource, mut world) = settled();
    let config = world
        .live
        .iter()
        .find(|((kind, _), _)| *kind == ChildKind::ConfigMap);
    let mut old = config.unwrap().1.clone();
    old["metadata"]["name"] = json!("users-old");
    let key = (ChildKind::ConfigMap, "users-old".to_owned());
    world.live.insert(key, old);
    assert_eq!(planned(&world, &resource).deletes.len(), 1);
    pause(&mut resource, None);
    let status = planned(&world, &resource).status.unwrap();
    assert_eq!(condition(&status, "Ready").unwrap().reason, "Available");
}

#[test]
fn during_a_long_pause_a_resource_is_looked_at_as_often_as_any_other() {
    let (mut resource, world) = settled();
    let requeue = |resource: &mut UserService, left: i64| {
        pause(resource, Some(100 + left));
        planned(&world, resource).requeue.map(|wait| wait.as_secs())
    };
    assert_eq!(requeue(&mut resource, 600), Some(600));
    assert_eq!(requeue(&mut resource, 601), None);
}

#[test]
fn a_pause_ends_by_itself_and_is_looked_at_then() {
    let (mut resource, world) = settled();
    resource.spec.replicas = 5;
    pause(&mut resource, Some(160));
    let plan = planned(&world, &resource);
    assert_eq!(
        plan.requeue.map(|left| left.as_secs()),
        Some(60),
        "it is 100"
    );
    resource.status = plan.status;
    let after = operator_core::plan(&world, &resource, &release(), &at(160)).unwrap();
    assert!(!after.writes.is_empty());
    assert!(condition(&after.status.unwrap(), "Paused").is_none());
}

#[test]
fn an_annotation_pauses_too_unless_it_says_false() {
    let (mut resource, world) = settled();
    resource.spec.replicas = 5;
    let annotated = |value: &str| {
        let mut resource = resource.clone();
        let annotation = (PAUSED_ANNOTATION.to_owned(), value.to_owned());
        resource.metadata.annotations = Some([annotation].into());
        plan(&world, &resource, &release(), &at(100)).unwrap()
    };
    for value in ["true", "1970-01-01T00:02:00Z", "yes, please"] {
        let plan = annotated(value);
        assert!(only_reports(&plan), "{value}");
        let status = plan.status.unwrap();
        assert_eq!(
            condition(&status, "Paused").unwrap().reason,
            "PausedByAnnotation"
        );
    }
    for value in ["false", "", "1970-01-01T00:01:00Z"] {
        assert!(!annotated(value).writes.is_empty(), "{value}");
    }
}

#[test]
fn a_version_that_was_set_during_a_pause_and_taken_back_never_comes() {
    let (mut resource, mut world) = settled();
    pause(&mut resource, None);
    resource.spec.version = Some("2.0.0".into());
    carry_out(&mut world, &mut resource);
    assert_eq!(super::ready_reason(&resource), "ChangesPaused");
    resource.spec.version = None;
    resource.spec.pause = None;
    assert_eq!(planned(&world, &resource).writes, []);
}

#[test]
fn topics_and_orphans_wait_too() {
    let (mut resource, mut world) = settled_connected();
    resource.spec.events = None;
    resource.spec.replicas = 5;
    pause(&mut resource, None);
    assert!(only_reports(&planned(&world, &resource)));
    world.live.clear();
    assert!(only_reports(&planned(&world, &resource)));
}
