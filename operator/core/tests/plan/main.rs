//! The plan, as scenarios: a world, a resource, and what is to be done about the two. What is
//! written and deleted is in `writes`, what is reported in `status`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod status;
mod writes;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use operator_api::{UserService, UserServiceSpec, UserServiceStatus};
use operator_core::{Child, ChildKind, Plan, Release, World, plan};
use serde_json::{Value, json};

fn release() -> Release {
    Release {
        repository: "registry.example/user-service".into(),
        version: "1.2.3".into(),
    }
}

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn resource() -> UserService {
    let mut resource = UserService::new("users", UserServiceSpec::default());
    resource.metadata.namespace = Some("team-a".into());
    resource.metadata.uid = Some("uid-of-users".into());
    resource.metadata.generation = Some(1);
    resource
}

fn planned(world: &World, resource: &UserService) -> Plan {
    plan(world, resource, &release(), &at(100)).unwrap()
}

/// A cluster that stores what is applied and completes what the API server completes.
fn applied(writes: &[Child]) -> World {
    let mut world = World::default();
    for child in writes {
        let mut object = child.object.clone();
        object["metadata"]["uid"] = json!(format!("uid-of-{}", child.name));
        object["metadata"]["generation"] = json!(1);
        world.live.insert((child.kind, child.name.clone()), object);
    }
    world
}

fn deployment(world: &mut World) -> &mut Value {
    world
        .live
        .get_mut(&(ChildKind::Deployment, "users".into()))
        .unwrap()
}

fn rolled_out(world: &mut World) {
    let replicas = deployment(world)["spec"]["replicas"].clone();
    deployment(world)["status"] = json!({
        "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas,
    });
}

/// The resource and its world after everything was applied, rolled out and reported.
fn settled() -> (UserService, World) {
    let mut resource = resource();
    let mut world = applied(&planned(&World::default(), &resource).writes);
    rolled_out(&mut world);
    resource.status = planned(&world, &resource).status;
    (resource, world)
}

fn condition<'a>(status: &'a UserServiceStatus, type_: &str) -> Option<&'a Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}
