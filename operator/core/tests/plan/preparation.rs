//! The Job that prepares database and registry before the pods.

use std::time::Duration;

use operator_api::UserService;
use operator_core::{ChildKind, Plan, World, awaits_pods, plan, render};
use serde_json::json;

use super::{
    at, carry_out, condition, connected, finish_job, job, kinds, planned, reachable, ready_reason,
    release, settled_connected,
};

#[test]
fn pods_wait_for_the_preparation_and_follow_its_success() {
    let (mut resource, mut world) = (connected(), reachable());
    let first = kinds(&carry_out(&mut world, &mut resource));
    assert!(
        first.contains(&ChildKind::Job) && first.contains(&ChildKind::ConfigMap),
        "{first:?}"
    );
    assert!(!first.contains(&ChildKind::Deployment));
    assert_eq!(ready_reason(&resource), "Preparing");
    assert_eq!(
        planned(&world, &resource).writes,
        [],
        "while it runs nothing is written"
    );

    finish_job(&mut world, "Complete");
    assert_eq!(
        kinds(&carry_out(&mut world, &mut resource)),
        [ChildKind::ControllerRevision, ChildKind::Deployment]
    );
}

#[test]
fn a_failed_preparation_tells_where_its_log_is_and_when_it_is_tried_again() {
    let (mut resource, mut world) = settled_connected();
    resource.spec.version = Some("2.0.0".into());
    let old = super::deployment(&mut world).clone();
    world.live.retain(|(kind, _), _| *kind != ChildKind::Job);
    carry_out(&mut world, &mut resource);
    finish_job(&mut world, "Failed");
    let plan = carry_out(&mut world, &mut resource);
    assert_eq!((plan.writes, plan.deletes), (vec![], vec![]));
    let status = resource.status.as_ref().unwrap();
    let stalled = condition(status, "Stalled").unwrap();
    assert_eq!(stalled.reason, "PreparationFailed");
    assert!(
        stalled.message.contains("told by the Job"),
        "{}",
        stalled.message
    );
    assert!(
        stalled.message.contains("kubectl logs -n team-a"),
        "{}",
        stalled.message
    );
    assert_eq!(super::deployment(&mut world), &old, "what runs goes on");
    assert!(
        stalled.message.contains(
            "tried again five minutes after it failed, and when the image, the database, the registry, the topic \
             prefix or a Secret changes or the Job is deleted"
        ),
        "{}",
        stalled.message
    );
    let at_rest = Plan {
        requeue: Some(Duration::from_secs(200)),
        ..Plan::default()
    };
    assert_eq!(planned(&world, &resource), at_rest, "it failed 100 s ago");

    world.live.retain(|(kind, _), _| *kind != ChildKind::Job);
    assert_eq!(
        kinds(&planned(&world, &resource)),
        [ChildKind::Job],
        "deleted, it is tried again"
    );
}

#[test]
fn a_version_that_cannot_be_prepared_for_is_gone_once_it_is_taken_back() {
    let (mut resource, mut world) = settled_connected();
    resource.spec.version = Some("2.O.0".into());
    assert_eq!(
        kinds(&carry_out(&mut world, &mut resource)),
        [ChildKind::Job]
    );
    resource.spec.version = None;
    assert_eq!(carry_out(&mut world, &mut resource).writes, []);
    assert_eq!(ready_reason(&resource), "Available");
}

#[test]
fn so_is_one_that_was_asked_for_before_the_resource_ever_ran() {
    let (mut resource, mut world) = (connected(), reachable());
    resource.spec.version = Some("2.O.0".into());
    carry_out(&mut world, &mut resource);
    let version = |resource: &UserService| resource.status.clone().unwrap().version;
    assert_eq!(version(&resource), None);
    resource.spec.version = None;
    carry_out(&mut world, &mut resource);
    assert_eq!(version(&resource).unwrap(), release().version);
}

#[test]
fn a_preparation_that_an_outage_failed_is_tried_again_by_itself_after_five_minutes() {
    let (mut resource, mut world) = (connected(), reachable());
    carry_out(&mut world, &mut resource);
    finish_job(&mut world, "Failed");
    let name = job(&mut world).unwrap()["metadata"]["name"].clone();
    let later = |world: &World| plan(world, &resource, &release(), &at(300)).unwrap();
    let retried = later(&world);
    let deleted: Vec<(&str, &str)> = retried
        .deletes
        .iter()
        .map(|delete| (delete.name.as_str(), delete.uid.as_str()))
        .collect();
    let uid = format!("uid-of-{}", name.as_str().unwrap());
    assert_eq!(
        json!(deleted),
        json!([[name, uid]]),
        "although nothing is rolled out"
    );
    assert!(retried.requeue.is_some());

    job(&mut world).unwrap()["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(later(&world).deletes, [], "once");
    world.live.retain(|(kind, _), _| *kind != ChildKind::Job);
    assert_eq!(kinds(&later(&world)), [ChildKind::Job]);
}

#[test]
fn a_preparation_that_no_repetition_mends_is_not_tried_again_by_itself() {
    let (mut resource, mut world) = (connected(), reachable());
    carry_out(&mut world, &mut resource);
    finish_job(&mut world, "Failed");
    job(&mut world).unwrap()["status"]["conditions"][0]["reason"] = json!("PodFailurePolicy");
    carry_out(&mut world, &mut resource);
    let status = resource.status.as_ref().unwrap();
    let message = &condition(status, "Stalled").unwrap().message;
    assert!(message.contains("tried again when"), "{message}");
    let later = plan(&world, &resource, &release(), &at(100_000)).unwrap();
    assert_eq!((later.deletes, later.requeue), (vec![], None));
}

#[test]
fn a_long_migration_has_hours() {
    let (mut resource, mut world) = (connected(), reachable());
    carry_out(&mut world, &mut resource);
    let spec = &job(&mut world).unwrap()["spec"];
    assert_eq!(spec["activeDeadlineSeconds"], 3 * 60 * 60);
}

#[test]
fn a_preparation_whose_job_is_gone_is_not_run_again_for_pods_that_run_with_it() {
    let (resource, mut world) = settled_connected();
    assert_eq!(planned(&world, &resource), Plan::default(), "at rest");
    world.live.retain(|(kind, _), _| *kind != ChildKind::Job);
    assert_eq!(planned(&world, &resource), Plan::default());
}

#[test]
fn a_setting_that_does_not_concern_what_is_prepared_prepares_nothing() {
    let (mut resource, mut world) = settled_connected();
    resource.spec.server.max_concurrent_streams = 64;
    let written = kinds(&carry_out(&mut world, &mut resource));
    assert_eq!(
        written,
        [
            ChildKind::ConfigMap,
            ChildKind::ControllerRevision,
            ChildKind::Deployment
        ]
    );
}

/// Of the Job, where nothing is known of what Secrets hold.
fn name(resource: &UserService) -> String {
    let children = render(resource, &release()).unwrap();
    let job = children
        .into_iter()
        .find(|child| child.kind == ChildKind::Job);
    job.unwrap().name
}

#[test]
fn the_same_is_prepared_under_the_same_name_by_all_operators_since_the_first() {
    let both = connected();
    assert_eq!(name(&both), "users-prepare-0a895eed40");
    let mut database = connected();
    database.spec.events = None;
    assert_eq!(name(&database), "users-prepare-69312e8508");
    let mut registry = connected();
    registry.spec.storage = None;
    assert_eq!(name(&registry), "users-prepare-9daf83d591");
}

#[test]
fn another_image_is_prepared_anew_and_the_last_job_goes_after_the_rollout() {
    let (mut resource, mut world) = settled_connected();
    let old = job(&mut world).unwrap()["metadata"]["name"].clone();
    resource.spec.version = Some("2.0.0".into());
    assert_eq!(
        kinds(&carry_out(&mut world, &mut resource)),
        [ChildKind::Job]
    );
    for ((kind, _), job) in &mut world.live {
        if *kind == ChildKind::Job {
            job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        }
    }
    assert_eq!(carry_out(&mut world, &mut resource).deletes, []);
    super::rolled_out(&mut world);
    let plan = carry_out(&mut world, &mut resource);
    let deleted: Vec<&str> = plan
        .deletes
        .iter()
        .map(|delete| delete.name.as_str())
        .collect();
    assert_eq!(json!(deleted), json!([old]));
}

#[test]
fn the_commands_run_one_after_the_other_and_hopeless_exits_end_the_job() {
    let (mut resource, mut world) = (connected(), reachable());
    carry_out(&mut world, &mut resource);
    let spec = job(&mut world).unwrap()["spec"].clone();
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["initContainers"][0]["args"], json!(["migrate"]));
    assert_eq!(pod["containers"][0]["args"], json!(["schema", "register"]));
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(
        spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"],
        json!([64, 76, 78])
    );
    assert_eq!(spec.get("ttlSecondsAfterFinished"), None);
    let service = &world.live[&(ChildKind::Service, "users".into())];
    assert_ne!(
        spec["template"]["metadata"]["labels"]["app.kubernetes.io/name"],
        service["spec"]["selector"]["app.kubernetes.io/name"],
        "no call is sent to it"
    );
}

#[test]
fn a_preparation_whose_pods_are_refused_says_by_which_rule_and_is_looked_at_again_soon() {
    let (mut resource, mut world) = (connected(), reachable());
    carry_out(&mut world, &mut resource);
    carry_out(&mut world, &mut resource);
    let name = job(&mut world).unwrap()["metadata"]["name"].clone();
    let name = name.as_str().unwrap();
    let uid = format!("uid-of-{name}");
    assert_eq!(awaits_pods(&world, &resource, name), Some(uid.as_str()));
    let words = "pods \"users-prepare-1\" is forbidden: exceeded quota: compute, requested: pods=1";
    world.refused_job = Some(words.to_owned());
    let plan = carry_out(&mut world, &mut resource);
    assert!(plan.requeue.is_some_and(|wait| wait.as_secs() < 5));
    let status = resource.status.as_ref().unwrap();
    let stalled = condition(status, "Stalled").unwrap();
    assert_eq!(stalled.reason, "PodsRefused");
    for part in [name, "exceeded quota: compute", "Raise the quota"] {
        assert!(stalled.message.contains(part), "{}", stalled.message);
    }

    world.refused_job = Some("Internal error occurred".to_owned());
    carry_out(&mut world, &mut resource);
    assert_eq!(ready_reason(&resource), "Preparing");
}

/// Adds a preparation of a former spec that runs, and answers the name of the wanted one.
fn add_former(world: &mut World) -> String {
    let wanted = job(world).unwrap().clone();
    let mut former = wanted.clone();
    former["metadata"]["name"] = json!("users-prepare-0");
    former["metadata"]["uid"] = json!("uid-of-former");
    former["status"] = json!({});
    let of_former = (ChildKind::Job, "users-prepare-0".to_owned());
    world.live.insert(of_former, former);
    wanted["metadata"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_preparation_of_a_former_spec_that_has_a_pod_does_not_speak_for_the_one_that_has_none() {
    let (mut resource, mut world) = (connected(), reachable());
    carry_out(&mut world, &mut resource);
    let wanted = add_former(&mut world);
    let pod = json!({"metadata": {"ownerReferences": [{
        "apiVersion": "batch/v1", "kind": "Job", "name": "users-prepare-0", "uid": "uid-of-former",
    }]}});
    world.pods = vec![serde_json::from_value(pod).unwrap()];
    let uid = format!("uid-of-{wanted}");
    assert_eq!(awaits_pods(&world, &resource, &wanted), Some(uid.as_str()));
}

#[test]
fn nobody_waits_for_pods_of_a_preparation_that_has_ended_or_of_one_of_a_former_spec() {
    let (mut resource, mut world) = (connected(), reachable());
    carry_out(&mut world, &mut resource);
    finish_job(&mut world, "Complete");
    carry_out(&mut world, &mut resource);
    let wanted = add_former(&mut world);
    assert_eq!(
        awaits_pods(&world, &resource, &wanted),
        None,
        "it has ended"
    );
    let plan = planned(&world, &resource);
    assert_eq!((plan.writes, plan.requeue), (vec![], None));
}
