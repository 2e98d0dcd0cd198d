//! What is written and deleted.

use std::collections::{BTreeMap, BTreeSet};

use operator_api::UserService;
use operator_core::{
    ChildKind, Delete, Plan, Release, World, child_names, children::condense, plan, render,
};
use serde_json::json;
use user_settings::Settings;

use super::{
    applied, at, carry_out, condition, connected, deployment, planned, release, resource,
    rolled_out, settled,
};

/// What a look at a resource of which nothing is to be done may allocate at most. Times differ from
/// machine to machine, and most of them goes there.
const MOST_AT_REST: u64 = 1_250;

#[test]
fn the_first_plan_writes_every_child_and_what_pods_need_before_the_pods() {
    let plan = planned(&World::default(), &resource());
    let kinds: Vec<&str> = plan.writes.iter().map(|child| child.kind.name()).collect();
    assert_eq!(
        kinds,
        [
            "ServiceAccount",
            "ConfigMap",
            "ControllerRevision",
            "Service",
            "Service",
            "Deployment",
            "PodDisruptionBudget"
        ]
    );
    for child in &plan.writes {
        assert_eq!(
            child.object.pointer("/metadata/ownerReferences/0/uid"),
            Some(&json!("uid-of-users")),
            "{}",
            child.name
        );
        assert_eq!(
            child.object.pointer("/metadata/namespace"),
            Some(&json!("team-a")),
            "{}",
            child.name
        );
    }
    assert!(
        plan.requeue.is_some(),
        "the result is looked at even if no event comes"
    );
    let status = plan.status.unwrap();
    assert_eq!(condition(&status, "Ready").unwrap().status, "Unknown");
    assert_eq!(
        condition(&status, "Reconciling").unwrap().reason,
        "Applying"
    );
    assert_eq!(status.endpoint.as_deref(), Some("users.team-a.svc:8080"));
}

#[test]
fn at_rest_nothing_is_written() {
    let (resource, world) = settled();
    assert_eq!(planned(&world, &resource), Plan::default());
    let later = plan(&world, &resource, &release(), &at(9_000)).unwrap();
    assert_eq!(later, Plan::default(), "time alone changes nothing");
}

#[test]
fn a_pass_at_rest_allocates_no_more_often_than_it_may() {
    let (mut resource, mut world) = (resource(), World::default());
    resource.spec = example().spec;
    for _ in 0..3 {
        carry_out(&mut world, &mut resource);
        rolled_out(&mut world);
    }
    assert_eq!(planned(&world, &resource), Plan::default());
    let pass = allocation_counter::measure(|| {
        planned(&world, &resource);
    });
    let times = pass.count_total;
    assert!(times <= MOST_AT_REST, "{times} times");
}

/// With a value for most fields.
fn example() -> UserService {
    serde_yaml::from_str(include_str!("../../../../examples/userservice-full.yaml")).unwrap()
}

#[test]
fn children_of_a_deleted_resource_of_the_same_name_are_waited_for() {
    let (_, world) = settled();
    let mut anew = resource();
    anew.metadata.uid = Some("uid-of-the-next".into());
    let plan = planned(&world, &anew);
    assert_eq!((plan.writes, plan.deletes), (vec![], vec![]));
    assert!(plan.requeue.is_some());
    let status = plan.status.unwrap();
    assert_eq!(
        condition(&status, "Reconciling").unwrap().reason,
        "AwaitingRemoval"
    );
    assert!(condition(&status, "Stalled").is_none());
    assert_eq!(
        status.available_replicas, 0,
        "the old pods are not this resource's"
    );
}

#[test]
fn only_the_drifted_child_is_written_again() {
    let (resource, mut world) = settled();
    deployment(&mut world)["spec"]["replicas"] = json!(7);
    let plan = planned(&world, &resource);
    let written: Vec<ChildKind> = plan.writes.iter().map(|child| child.kind).collect();
    assert_eq!(written, [ChildKind::Deployment]);
}

#[test]
fn what_others_add_to_a_child_is_left_alone() {
    let (resource, mut world) = settled();
    deployment(&mut world)["metadata"]["annotations"]["theirs"] = json!("kept");
    deployment(&mut world)["metadata"]["labels"]["theirs"] = json!("kept");
    assert_eq!(planned(&world, &resource), Plan::default());
}

#[test]
fn a_changed_setting_rolls_the_pods_and_the_old_settings_go_only_after_the_rollout() {
    let (mut resource, mut world) = settled();
    resource.spec.rollout.history_limit = 1;
    let old: BTreeMap<ChildKind, String> = world.live.keys().cloned().collect();
    resource.spec.server.max_concurrent_streams = 32;
    world
        .live
        .extend(applied(&planned(&world, &resource).writes).live);
    rolled_out(&mut world);
    assert_eq!(planned(&world, &resource).deletes, [], "one is kept");
    resource.spec.server.max_concurrent_streams = 64;
    resource.metadata.generation = Some(2);

    let change = planned(&world, &resource);
    let written: Vec<ChildKind> = change.writes.iter().map(|child| child.kind).collect();
    assert_eq!(
        written,
        [
            ChildKind::ConfigMap,
            ChildKind::ControllerRevision,
            ChildKind::Deployment
        ]
    );
    assert_eq!(
        change.deletes,
        [],
        "old pods may still restart with the old settings"
    );

    world.live.extend(applied(&change.writes).live);
    rolled_out(&mut world);
    let after = planned(&world, &resource);
    assert_eq!(after.writes, []);
    let old = |kind: ChildKind| Delete {
        kind,
        name: old[&kind].clone(),
        uid: format!("uid-of-{}", old[&kind]),
        resource_version: "7".into(),
        foreground: false,
    };
    assert_eq!(
        after.deletes,
        [
            old(ChildKind::ConfigMap),
            old(ChildKind::ControllerRevision)
        ]
    );
}

#[test]
fn a_foreign_object_with_the_name_of_a_child_stops_the_plan_and_is_reported() {
    let foreign = json!({"metadata": {"name": "users", "uid": "other", "ownerReferences": [{"uid": "somebody"}]}});
    let mut world = World::default();
    world
        .live
        .insert((ChildKind::Service, "users".into()), foreign);
    let plan = planned(&world, &resource());
    assert_eq!((plan.writes, plan.deletes), (vec![], vec![]));
    assert!(
        plan.requeue.is_some(),
        "nothing tells us when the other object goes"
    );
    let status = plan.status.unwrap();
    let stalled = condition(&status, "Stalled").unwrap();
    assert_eq!(stalled.reason, "NameConflict");
    assert!(
        stalled.message.starts_with("Service users "),
        "{}",
        stalled.message
    );
}

#[test]
fn a_spec_that_breaks_rules_names_every_field_and_leaves_what_runs_alone() {
    let (mut resource, world) = settled();
    resource.metadata.generation = Some(2);
    resource.spec.replicas = 1000;
    resource.spec.pod.resources.requests.memory = "1Gi".into();
    let plan = planned(&world, &resource);
    assert_eq!((plan.writes, plan.deletes), (vec![], vec![]));
    let status = plan.status.unwrap();
    let stalled = condition(&status, "Stalled").unwrap();
    assert_eq!(stalled.reason, "InvalidSpec");
    assert!(
        stalled.message.contains("spec.replicas: 1000"),
        "{}",
        stalled.message
    );
    assert!(
        stalled
            .message
            .contains("spec.pod.resources.requests.memory: must not exceed"),
        "{}",
        stalled.message
    );
    assert_eq!(status.available_replicas, 2, "the pods still run");
    assert!(condition(&status, "StorageDurable").is_some());
}

#[test]
fn the_schemas_defaults_are_the_services_defaults() {
    let plan = planned(&World::default(), &resource());
    let config = plan
        .writes
        .iter()
        .find(|child| child.kind == ChildKind::ConfigMap)
        .unwrap();
    assert_eq!(config.object["data"], json!(Settings::default().to_vars()));
}

#[test]
fn settings_of_which_a_hash_is_kept_are_told_from_others_as_if_they_were_whole() {
    let (resource, mut world) = settled();
    let is_config = |kind: &ChildKind| *kind == ChildKind::ConfigMap;
    let seen = world.live.iter().find(|((kind, _), _)| is_config(kind));
    let (key, whole) = seen.map(|(key, live)| (key.clone(), live.clone())).unwrap();
    let mut look = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut live = whole.clone();
        edit(&mut live);
        condense(key.0, &key.1, &mut live);
        let has_hash = live["data"].as_str().is_some_and(|hash| hash.len() == 64);
        world.live.insert(key.clone(), live);
        (has_hash, planned(&world, &resource).writes)
    };
    assert_eq!(look(&|_| {}), (true, Vec::new()));

    // As by `kubectl replace --force`, which makes an immutable object anew.
    let (has_hash, writes) = look(&|live| live["data"]["USERSVC_LOG_LEVEL"] = json!("trace"));
    assert!(!has_hash, "to be shown by a diff");
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].kind, ChildKind::ConfigMap);
    assert_eq!(writes[0].object["data"], whole["data"]);
    // As where the digits of the name are those of other settings too.
    let digits = key.1.rsplit('-').next().unwrap();
    let clash = format!("{digits}{}", "0".repeat(54));
    for data in [json!({}), json!(digits), json!(clash)] {
        let (_, writes) = look(&|live| live["data"] = data.clone());
        assert_eq!(writes.len(), 1, "{data}");
    }
    let (_, writes) = look(&|live| live["data"]["THEIRS"] = json!("1"));
    assert_eq!(writes, [], "no more than our apply could set right");
}

#[test]
fn the_version_is_pinned_at_creation_and_moves_only_with_the_spec() {
    let (mut resource, world) = settled();
    let newer = Release {
        version: "2.0.0".into(),
        ..release()
    };
    assert_eq!(
        plan(&world, &resource, &newer, &at(100)).unwrap(),
        Plan::default(),
        "an operator upgrade restarts nothing"
    );

    resource.spec.version = Some("2.0.0".into());
    let writes = plan(&world, &resource, &newer, &at(100)).unwrap().writes;
    let deployment = writes.last().unwrap();
    let image = deployment
        .object
        .pointer("/spec/template/spec/containers/0/image");
    assert_eq!(image, Some(&json!("registry.example/user-service:2.0.0")));
}

#[test]
fn the_grace_period_covers_everything_that_happens_between_deletion_and_exit() {
    let mut resource = resource();
    for (drain, grace) in [(20, 33), (600, 613)] {
        resource.spec.server.drain_timeout = std::time::Duration::from_secs(drain).into();
        let plan = planned(&World::default(), &resource);
        let period = plan
            .writes
            .iter()
            .find(|child| child.kind == ChildKind::Deployment)
            .unwrap()
            .object
            .pointer("/spec/template/spec/terminationGracePeriodSeconds")
            .cloned();
        // preStop 5 + drain delay 1 + drain + flush 5 + margin 2
        assert_eq!(period, Some(json!(grace)));
    }
}

#[test]
fn children_are_named_without_being_made() {
    let everything = json!({
        "network": {}, "autoscaling": {"max": 3, "cpu": 70},
        "tls": {"certificate": {"issuerRef": {"name": "internal"}}},
    });
    let mut around = resource();
    around.spec = serde_json::from_value(everything).unwrap();
    for resource in [resource(), around, connected()] {
        let made = render(&resource, &release()).unwrap();
        let made: BTreeSet<_> = made
            .into_iter()
            .map(|child| (child.kind, child.name))
            .collect();
        let named = child_names(&World::default(), &resource, &release());
        assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), made);
    }
}
