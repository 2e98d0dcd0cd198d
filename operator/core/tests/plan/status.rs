//! What is reported.

use k8s_openapi::api::core::v1::Pod;
use operator_api::{UserService, UserServiceStatus};
use operator_core::{ChildKind, Plan, SeenTopics, World, needs_pods, plan, refused};
use serde_json::json;

use super::{at, condition, deployment, planned, release, settled, settled_connected};

#[test]
fn ready_means_that_every_pod_runs_the_current_spec_and_takes_calls() {
    let (resource, _) = settled();
    let status = resource.status.unwrap();
    let ready = condition(&status, "Ready").unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("True", "Available")
    );
    assert_eq!(ready.observed_generation, Some(1));
    assert_eq!(status.observed_generation, Some(1));
    assert!(condition(&status, "Reconciling").is_none() && condition(&status, "Stalled").is_none());
    assert_eq!(
        condition(&status, "StorageDurable").unwrap().reason,
        "MemoryStorage"
    );
}

#[test]
fn a_rollout_in_progress_is_told_from_missing_pods_and_from_a_stuck_one() {
    let (resource, mut world) = settled();
    for (pods, ready, abnormal, reason) in [
        (
            json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}),
            "Unknown",
            "Reconciling",
            "RolloutInProgress",
        ),
        (
            json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}),
            "False",
            "Reconciling",
            "PodsUnavailable",
        ),
        (
            json!({
                "observedGeneration": 1, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2,
                "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "stuck"}],
            }),
            "False",
            "Stalled",
            "ProgressDeadlineExceeded",
        ),
    ] {
        deployment(&mut world)["status"] = pods;
        let status = planned(&world, &resource).status.unwrap();
        assert_eq!(
            condition(&status, "Ready").unwrap().status,
            ready,
            "{reason}"
        );
        assert_eq!(condition(&status, abnormal).unwrap().reason, reason);
    }
}

#[test]
fn what_the_deployment_said_of_the_last_template_is_not_held_against_the_current_one() {
    let (mut resource, mut world) = settled();
    resource.metadata.generation = Some(2);
    deployment(&mut world)["metadata"]["generation"] = json!(2);
    deployment(&mut world)["status"]["conditions"] = json!([
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "stuck"},
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods"},
    ]);
    world.pods = vec![pod_without_image()];
    let status = planned(&world, &resource).status.unwrap();
    let reconciling = condition(&status, "Reconciling").unwrap();
    assert_eq!(reconciling.reason, "RolloutInProgress");
    assert_eq!(
        reconciling.message,
        "The Deployment is written; its pods are yet to follow."
    );
    assert!(condition(&status, "Stalled").is_none());
}

fn pod_without_image() -> Pod {
    let pod = json!({
        "metadata": {
            "name": "users-5c7f-x", "labels": {"pod-template-hash": "5c7f"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "users-5c7f", "uid": "r", "controller": true}],
        },
        "status": {"containerStatuses": [{
            "name": "user-service", "image": "users:2", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": "code = NotFound"}},
        }]},
    });
    serde_json::from_value(pod).unwrap()
}

#[test]
fn pods_that_the_api_server_refuses_are_told_in_its_words() {
    let (resource, mut world) = settled();
    deployment(&mut world)["status"] = json!({
        "observedGeneration": 1,
        "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: pods"}],
    });
    let status = planned(&world, &resource).status.unwrap();
    let stalled = condition(&status, "Stalled").unwrap();
    assert_eq!(stalled.reason, "PodsRefused");
    assert!(
        stalled.message.starts_with(
            "0 of 2 pods run the current spec, 0 take calls. Pods are refused: exceeded quota: pods. Raise the quota"
        ),
        "{}",
        stalled.message
    );

    deployment(&mut world)["status"]["conditions"][0]["message"] = json!("timed out");
    let status = planned(&world, &resource).status.unwrap();
    let message = &condition(&status, "Reconciling").unwrap().message;
    assert!(
        message.ends_with("Pods are refused: timed out."),
        "{message}"
    );
}

#[test]
fn pods_that_are_refused_beyond_those_that_there_shall_be_are_no_trouble() {
    let (resource, mut world) = settled();
    let failure =
        json!({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods"});
    deployment(&mut world)["status"]["conditions"] = json!([failure]);
    assert_eq!(planned(&world, &resource), Plan::default());
}

#[test]
fn what_keeps_a_pod_from_taking_calls_is_told_beside_the_counts() {
    let (resource, mut world) = settled();
    deployment(&mut world)["status"] = json!({
        "observedGeneration": 1, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2,
    });
    assert!(needs_pods(&world, &resource));
    world.pods = vec![pod_without_image()];
    let status = planned(&world, &resource).status.unwrap();
    for type_ in ["Ready", "Reconciling"] {
        let message = &condition(&status, type_).unwrap().message;
        assert!(
            message.starts_with(
                "1 of 2 pods run the current spec, 2 take calls. Pod users-5c7f-x: container user-service: ImagePullBackOff:"
            ),
            "{message}"
        );
    }
}

#[test]
fn pods_are_looked_at_only_while_some_do_not_take_calls() {
    let (resource, mut world) = settled();
    assert!(!needs_pods(&world, &resource));
    deployment(&mut world)["status"]["availableReplicas"] = json!(1);
    assert!(needs_pods(&world, &resource));
}

#[test]
fn a_condition_that_somebody_else_added_is_no_reason_to_write() {
    let (mut resource, world) = settled();
    let mut theirs = condition(resource.status.as_ref().unwrap(), "Ready")
        .unwrap()
        .clone();
    theirs.type_ = "team-a.example/Approved".into();
    resource.status.as_mut().unwrap().conditions.push(theirs);
    assert_eq!(planned(&world, &resource), Plan::default());
}

#[test]
fn a_condition_keeps_its_transition_time_until_its_status_changes() {
    let (resource, mut world) = settled();
    deployment(&mut world)["status"]["availableReplicas"] = json!(1);
    let status = plan(&world, &resource, &release(), &at(500))
        .unwrap()
        .status
        .unwrap();
    assert_eq!(
        condition(&status, "Ready").unwrap().last_transition_time,
        at(500)
    );
    assert_eq!(
        condition(&status, "StorageDurable")
            .unwrap()
            .last_transition_time,
        at(100)
    );
}

#[test]
fn a_refused_write_is_reported_in_the_words_of_the_api_server_and_only_once() {
    let (mut resource, world) = settled();
    let refusal = "apply Deployment users: exceeded quota: compute".to_owned();
    let status = refused(&world, &resource, refusal.clone(), &at(200)).unwrap();
    let stalled = condition(&status, "Stalled").unwrap();
    assert_eq!(
        (stalled.reason.as_str(), stalled.message.as_str()),
        ("WriteRefused", refusal.as_str())
    );
    assert_eq!(status.available_replicas, 2, "the pods still run");
    resource.status = Some(status);
    assert_eq!(refused(&world, &resource, refusal, &at(300)), None);
}

#[test]
fn what_somebody_adds_to_the_deployment_is_no_rollout() {
    let (mut resource, mut world) = settled();
    let live = deployment(&mut world);
    live["metadata"]["annotations"]["theirs"] = json!("added");
    // The API server counts it as a change, and the Deployment's controller has yet to see it.
    live["metadata"]["generation"] = json!(2);
    assert_eq!(planned(&world, &resource), Plan::default());

    let reason = |world: &World, resource: &UserService| {
        let status = planned(world, resource).status.unwrap();
        condition(&status, "Ready").unwrap().reason.clone()
    };
    world.written.insert(ChildKind::PodDisruptionBudget);
    assert_eq!(planned(&world, &resource), Plan::default());
    world.written.insert(ChildKind::Deployment);
    // As for a Secret that changed, which the spec does not tell.
    assert_eq!(reason(&world, &resource), "RolloutInProgress", "it was us");

    world.written.clear();
    resource.metadata.generation = Some(2);
    assert_eq!(
        reason(&world, &resource),
        "RolloutInProgress",
        "of a changed spec it says more"
    );
}

#[test]
fn a_rollout_that_a_failed_pass_began_and_did_not_tell_of_is_told_by_the_next() {
    let (resource, mut world) = settled();
    deployment(&mut world)["metadata"]["generation"] = json!(2);
    assert_eq!(planned(&world, &resource), Plan::default());
    // The Secret alone changed, so the spec is the one of which it was said.
    let of_before = |edit: &dyn Fn(&mut UserServiceStatus)| {
        let mut resource = resource.clone();
        edit(resource.status.as_mut().unwrap());
        let status = planned(&world, &resource).status.unwrap();
        condition(&status, "Ready").unwrap().reason.clone()
    };
    let of_another_revision = of_before(&|status| status.revision = Some(0));
    assert_eq!(of_another_revision, "RolloutInProgress");
    let of_another_operator = of_before(&|status| status.rendered_by = Some("0.0.9".into()));
    assert_eq!(of_another_operator, "RolloutInProgress");
}

#[test]
fn a_message_is_cut_where_the_api_server_would_refuse_the_whole_status() {
    let (resource, world) = settled();
    let refusal = "ä".repeat(40_000);
    let status = refused(&world, &resource, refusal, &at(60)).unwrap();
    let message = &condition(&status, "Ready").unwrap().message;
    assert!(message.len() <= operator_api::condition::MAX_MESSAGE);
    assert!(message.ends_with("ä …"), "what was left out is not shown");
}

#[test]
fn partitions_are_told_as_long_as_kafka_is_seen_and_nothing_is_said_of_other_topics() {
    let (mut resource, mut world) = settled_connected();
    let told = |status: &UserServiceStatus| status.partitions;
    assert_eq!(told(resource.status.as_ref().unwrap()), Some(6));

    let refusal = || "a quota".to_owned();
    let status = refused(&world, &resource, refusal(), &at(60)).unwrap();
    assert_eq!(told(&status), Some(6), "a refused child changes no topic");
    let unasked = World {
        topics: SeenTopics::NotLooked,
        ..world.clone()
    };
    assert_eq!(
        planned(&unasked, &resource).status,
        None,
        "not to look, as when many wait for Kafka, is no news"
    );

    let SeenTopics::Found { topics, .. } = &mut world.topics else {
        panic!("no topics");
    };
    topics.get_mut("user.updated").unwrap().partitions = 4;
    let plan = planned(&world, &resource);
    assert_eq!(told(&plan.status.unwrap()), Some(4), "the fewest count");

    world.topics = SeenTopics::Unreachable("connection refused".into());
    let plan = planned(&world, &resource);
    assert_eq!(told(&plan.status.unwrap()), None);

    resource.metadata.generation = resource.metadata.generation.map(|it| it + 1);
    let status = refused(&world, &resource, refusal(), &at(60)).unwrap();
    assert_eq!(
        told(&status),
        None,
        "the spec may speak of other topics by now"
    );
}
