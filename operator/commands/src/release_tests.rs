use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use operator_api::{UpgradePolicy, UserServiceSpec, UserServiceStatus};
use operator_core::{ChildKind, Diff, World, diff, plan};
use serde_json::json;

use super::*;

const NOW: Time = Time(Timestamp::UNIX_EPOCH);

fn running(image: &str) -> UserService {
    let mut live = UserService::new("users", UserServiceSpec::default());
    live.status = Some(UserServiceStatus {
        version: Some("1.2".to_owned()),
        image: Some(image.to_owned()),
        ..UserServiceStatus::default()
    });
    live
}

fn repository(live: &UserService) -> String {
    let args = DiffReleaseArgs::default();
    args.release(live, Some(live), None).repository
}

#[test]
fn a_running_resource_tells_the_repository_of_its_operator() {
    let live = running("registry.example:5000/users:1.2");
    assert_eq!(repository(&live), "registry.example:5000/users");
}

#[test]
fn so_does_one_whose_pods_wait_for_another_version_be_it_of_the_spec_or_of_the_operator() {
    let mut live = running(&format!("registry.example:5000/users:{VERSION}"));
    assert_eq!(repository(&live), "registry.example:5000/users");
    live = running("registry.example:5000/users:2");
    live.spec.version = Some("2".to_owned());
    assert_eq!(repository(&live), "registry.example:5000/users");
}

#[test]
fn an_image_that_the_spec_names_and_one_of_another_version_tell_nothing() {
    let mut live = running("elsewhere.example/users:1.2");
    live.spec.image = Some("elsewhere.example/users:1.2".to_owned());
    assert_eq!(repository(&live), REPOSITORY);
    let live = running("elsewhere.example/users:2");
    assert_eq!(repository(&live), REPOSITORY);
}

/// An operator of this version that gives all pods this annotation, and new resources another version of the service.
fn told(annotation: &str) -> Release {
    let pod_annotations = BTreeMap::from([("mesh.example/inject".to_owned(), annotation.into())]);
    Release {
        repository: "registry.example/users".to_owned(),
        version: "7.7.7".to_owned(),
        operator: Release::operator_with(VERSION, &pod_annotations),
        pod_annotations,
        renews: false,
    }
}

/// A resource that this operator keeps, and its world at rest.
fn settled(upgrades: UpgradePolicy, release: &Release) -> (UserService, World) {
    let mut resource = UserService::new("users", UserServiceSpec::default());
    resource.spec.upgrade_policy = upgrades;
    resource.metadata.namespace = Some("team-a".to_owned());
    resource.metadata.uid = Some("uid-of-users".to_owned());
    let mut world = World::default();
    for _ in 0..3 {
        let plan = plan(&world, &resource, release, &NOW).unwrap();
        for child in plan.writes {
            let mut object = child.object;
            object["metadata"]["generation"] = json!(1);
            if child.kind == ChildKind::Deployment {
                let replicas = object["spec"]["replicas"].clone();
                object["status"] = json!({
                    "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
                    "availableReplicas": replicas,
                });
            }
            world.live.insert((child.kind, child.name), object);
        }
        resource.status = plan.status.or(resource.status);
    }
    (resource, world)
}

/// What is told of the resource once its spec is that of `described`.
fn told_of(
    described: &UserService,
    (live, world): &(UserService, World),
    args: &DiffReleaseArgs,
) -> Diff {
    let runs = Recorded::current(live, world.live.values());
    let release = args.release(described, Some(live), runs.as_ref());
    diff(world, described, &release, &NOW).unwrap()
}

#[test]
fn at_rest_there_is_nothing_to_do_whatever_annotations_and_version_the_operator_was_told() {
    for upgrades in [UpgradePolicy::Manual, UpgradePolicy::Automatic] {
        let kept = settled(upgrades, &told("yes"));
        let diff = told_of(&kept.0, &kept, &DiffReleaseArgs::default());
        assert!(diff.is_empty(), "{upgrades:?}: {diff:?}");
    }
}

#[test]
fn an_edit_keeps_the_annotations_and_the_version_that_the_operator_was_told() {
    for upgrades in [UpgradePolicy::Manual, UpgradePolicy::Automatic] {
        let kept = settled(upgrades, &told("yes"));
        let mut described = kept.0.clone();
        described.spec.server.max_concurrent_streams = 7;
        let diff = told_of(&described, &kept, &DiffReleaseArgs::default());
        let pods = diff.changes.iter().find(|change| change.restarts_pods);
        let fields: Vec<&str> = pods
            .unwrap()
            .fields
            .iter()
            .map(|field| field.path.as_str())
            .collect();
        let config = "spec.template.spec.containers[user-service].envFrom";
        assert_eq!(fields, [config], "{upgrades:?}");
    }
}

#[test]
fn annotations_that_are_said_are_those_of_an_operator_that_was_told_others_since() {
    let args = DiffReleaseArgs {
        pod_annotation: vec![("mesh.example/inject".to_owned(), "no".to_owned())],
        ..DiffReleaseArgs::default()
    };
    let kept = settled(UpgradePolicy::Manual, &told("yes"));
    assert!(told_of(&kept.0, &kept, &args).is_empty());
    let kept = settled(UpgradePolicy::Automatic, &told("yes"));
    assert!(told_of(&kept.0, &kept, &args).restarts_pods());
}

#[test]
fn what_an_older_operator_made_is_shown_as_one_of_this_version_would_make_it() {
    let older = Release {
        operator: "0.0.1".to_owned(),
        ..told("yes")
    };
    let kept = settled(UpgradePolicy::Automatic, &older);
    let diff = told_of(&kept.0, &kept, &DiffReleaseArgs::default());
    let path = "spec.template.spec.containers[user-service].image";
    let mut fields = diff.changes.iter().flat_map(|change| &change.fields);
    let image = fields.find(|field| field.path == path);
    let newer = format!("registry.example/users:{VERSION}");
    assert_eq!(image.unwrap().to, json!(newer));
}
