use serde_json::{Value, json};

use super::*;

const NAMESPACE: &str = "team-a";

/// A pod of the Deployment `users`, made at a second of the minute, with this status.
fn pod(name: &str, second: u8, status: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "namespace": NAMESPACE, "uid": format!("uid-of-{name}"),
            "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
            "labels": {"pod-template-hash": "5c7f"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "users-5c7f", "uid": "r", "controller": true,
            }],
        },
        "status": status,
    }))
    .unwrap()
}

fn container(ready: bool, state: &Value, last: &Value) -> Value {
    json!({"phase": "Running", "containerStatuses": [{
        "name": "user-service", "image": "registry.example/users:1", "imageID": "", "ready": ready,
        "restartCount": i32::from(!last.is_null()), "state": state, "lastState": last,
    }]})
}

fn waiting(reason: &str, message: &str) -> Value {
    container(
        false,
        &json!({"waiting": {"reason": reason, "message": message}}),
        &Value::Null,
    )
}

fn ended(reason: &str, code: i32) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": code}})
}

fn told(status: &Value) -> String {
    signs(&pod("users-1", 0, status)).unwrap_or_default()
}

/// Each status, and words that what is told of it has to hold.
fn assert_told<const N: usize>(cases: [(Value, [&str; 3]); N]) {
    for (status, words) in cases {
        let told = told(&status);
        for word in words {
            assert!(told.contains(word), "{word:?} is missing in {told:?}");
        }
    }
}

#[test]
fn an_image_that_cannot_be_had_is_told_with_the_reason_and_the_next_step() {
    assert_told([
        (
            waiting(
                "ErrImagePull",
                "rpc error: code = NotFound desc = failed to resolve: registry.example/users:1: not found",
            ),
            [
                "container user-service: ImagePullBackOff",
                "has no image registry.example/users:1",
                "spec.image",
            ],
        ),
        (
            waiting(
                "ImagePullBackOff",
                "Back-off pulling image: ErrImagePull: pull access denied, repository does not exist",
            ),
            [
                "container user-service: ImagePullBackOff",
                "does not give registry.example/users:1",
                "credentials",
            ],
        ),
        (
            waiting("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout"),
            [
                "container user-service: ImagePullBackOff",
                "cannot be pulled",
                "kubectl describe pod -n team-a users-1.",
            ],
        ),
        (
            waiting("InvalidImageName", "could not parse reference"),
            [
                "container user-service: InvalidImageName",
                "no image reference",
                "Correct spec.image",
            ],
        ),
    ]);
}

#[test]
fn each_other_trouble_names_pod_container_reason_and_the_next_step() {
    let unscheduled = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No victims.",
    }]});
    let evicted =
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."});
    let backing_off = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}});
    let running = json!({"running": {}});
    assert_told([
        (
            waiting("CreateContainerConfigError", "secret \"extra\" not found"),
            [
                "container user-service: CreateContainerConfigError",
                "secret \"extra\" not found",
                "Create what is missing",
            ],
        ),
        (
            waiting("RunContainerError", "context deadline exceeded"),
            [
                "container user-service: RunContainerError",
                "cannot start it",
                "kubectl describe pod",
            ],
        ),
        (
            container(false, &backing_off, &ended("OOMKilled", 137)),
            [
                "container user-service: OOMKilled",
                "more memory",
                "spec.pod.resources.limits.memory",
            ],
        ),
        (
            container(false, &backing_off, &ended("Error", 78)),
            [
                "container user-service: CrashLoopBackOff",
                "exit code 78: a setting is wrong",
                "kubectl logs -n team-a users-1 -c user-service --previous.",
            ],
        ),
        (
            unscheduled,
            [
                "Pod users-1: Unschedulable",
                "3 Insufficient cpu. Lower",
                "spec.pod.resources.requests",
            ],
        ),
        (
            evicted,
            [
                "Pod users-1: Evicted",
                "The node was low on memory. See",
                "kubectl describe pod",
            ],
        ),
        (
            container(false, &running, &Value::Null),
            [
                "container user-service: it runs, but is not ready",
                "",
                "kubectl logs -n team-a users-1 -c user-service.",
            ],
        ),
    ]);
}

#[test]
fn what_fails_again_and_again_is_told_in_the_same_words() {
    let crash = ended("Error", 1);
    let rounds = [
        container(false, &crash, &Value::Null),
        container(
            false,
            &json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}),
            &crash,
        ),
        container(false, &json!({"running": {}}), &crash),
        container(
            false,
            &json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}}),
            &crash,
        ),
    ];
    let told: Vec<String> = rounds.iter().map(told).collect();
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
    let pulls = [
        waiting("ErrImagePull", "failed: 10.1.2.3:40001: i/o timeout"),
        waiting(
            "ImagePullBackOff",
            "Back-off pulling image: ErrImagePull: failed: 10.1.2.3:40002: i/o timeout",
        ),
    ];
    assert_eq!(self::told(&pulls[0]), self::told(&pulls[1]));
}

#[test]
fn a_pod_that_works_ends_or_goes_has_no_trouble() {
    let mut ready = container(true, &json!({"running": {}}), &ended("Error", 1));
    ready["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    assert_eq!(signs(&pod("users-1", 0, &ready)), None);
    assert_eq!(
        signs(&pod("users-1", 0, &json!({"phase": "Succeeded"}))),
        None
    );
    let mut leaving = pod("users-1", 0, &waiting("ErrImagePull", ""));
    leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
    assert_eq!(signs(&leaving), None);
}

#[test]
fn of_several_pods_the_worst_is_told_and_of_equal_ones_the_newest() {
    let missing = waiting("ErrImagePull", "code = NotFound");
    let unready = container(false, &json!({"running": {}}), &Value::Null);
    let mut world = World {
        pods: vec![
            pod("users-a", 9, &unready),
            pod("users-b", 1, &missing),
            pod("users-c", 2, &missing),
        ],
        ..World::default()
    };
    assert_eq!(of_deployment(&world, "users").unwrap().pod, "users-c");
    world.pods.reverse();
    assert_eq!(of_deployment(&world, "users").unwrap().pod, "users-c");
}

#[test]
fn pods_of_others_are_nobodys_trouble() {
    let mut stranger = pod("users-a", 0, &waiting("ErrImagePull", ""));
    stranger.metadata.owner_references.as_mut().unwrap()[0].name = "users-canary-5c7f".into();
    let world = World {
        pods: vec![stranger],
        ..World::default()
    };
    assert_eq!(of_deployment(&world, "users"), None);
    assert_eq!(of_job(&world, "users-5c7f"), None);
}

#[test]
fn a_volume_that_cannot_be_mounted_is_told_once_the_kubelet_says_why() {
    let creating = pod("users-a", 0, &waiting("ContainerCreating", ""));
    assert!(awaits_containers(&creating));
    let mut world = World {
        pods: vec![creating],
        ..World::default()
    };
    assert!(of_deployment(&world, "users").unwrap().is_wait());
    let why = "MountVolume.SetUp failed for volume \"extra\": secret \"extra\" not found";
    world
        .failed_mounts
        .insert("uid-of-users-a".into(), why.into());
    let told = of_deployment(&world, "users").unwrap().to_string();
    assert_eq!(
        told,
        format!("Pod users-a: FailedMount: {why}. Create what is missing, or correct the spec.")
    );
}
