//! The plan, as scenarios: a world, a resource, and what is to be done about the two. What is
//! written and deleted is in `writes`, what is reported in `status` and `transition`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod certificate;
mod diff;
mod drift;
mod network;
mod pause;
mod pods;
mod preparation;
mod removal;
mod revisions;
mod scaling;
mod secrets;
mod status;
mod tls;
mod topics;
mod transition;
mod turn;
mod writes;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use operator_api::{UserService, UserServiceSpec, UserServiceStatus};
use operator_core::{
    Child, ChildKind, Plan, Release, SeenTopics, Topic, TopicChange, World, plan, secret_digest,
};
use serde_json::{Value, json};

fn release() -> Release {
    Release {
        repository: "registry.example/user-service".into(),
        version: "1.2.3".into(),
        operator: "0.1.0".into(),
        ..Release::default()
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

/// A resource with users in a database and events in Kafka, schemas included.
fn connected() -> UserService {
    let mut connected = resource();
    connected.spec = serde_json::from_value(json!({
        "storage": {"mongodb": {"connection": {"secret": "users-mongodb"}}},
        "events": {"kafka": {
            "bootstrapServers": ["kafka-0.kafka.team-a.svc:9092"],
            "schemaRegistry": {"url": "http://registry.team-a.svc:8080"},
        }},
    }))
    .unwrap();
    connected
}

/// The Secret that [`connected`] refers to, with this connection string.
fn add_secret(world: &mut World, uri: &str) {
    let digest = secret_digest("uid-of-users", "uri", uri.as_bytes());
    world
        .secrets
        .insert("users-mongodb".into(), [("uri".into(), digest)].into());
}

/// Makes the changes as Kafka would.
fn add_topics(world: &mut World, changes: &[TopicChange]) {
    let SeenTopics::Found {
        topics, created, ..
    } = &mut world.topics
    else {
        panic!("Kafka was not asked");
    };
    for change in changes {
        match change {
            TopicChange::Create { topic, configs } => {
                created.insert(topic.name.clone());
                let live = Topic {
                    id: format!("id-of-{}", topic.name),
                    partitions: topic.partitions,
                    replication_factor: topic.replication_factor,
                    configs: configs.clone(),
                };
                topics.insert(topic.name.clone(), live);
            }
            TopicChange::Grow { name, partitions } => {
                topics.get_mut(name).unwrap().partitions = *partitions;
            }
            TopicChange::Configure { name, configs } => {
                topics
                    .get_mut(name)
                    .unwrap()
                    .configs
                    .extend(configs.clone());
            }
            TopicChange::Delete { name, .. } => {
                topics.remove(name);
            }
        }
    }
}

/// A world that has what [`connected`] needs, and Kafka with nothing in it.
fn reachable() -> World {
    let mut world = World {
        topics: SeenTopics::Found {
            topics: [].into(),
            created: [].into(),
            refused: [].into(),
        },
        ..World::default()
    };
    add_secret(&mut world, "mongodb://one");
    world
}

/// Does what the plan says, topics first, as the controller does.
fn carry_out(world: &mut World, resource: &mut UserService) -> Plan {
    carry_out_by(&release(), world, resource)
}

/// The same, by an operator with this release.
fn carry_out_by(release: &Release, world: &mut World, resource: &mut UserService) -> Plan {
    let planned =
        |world: &World, resource: &UserService| plan(world, resource, release, &at(100)).unwrap();
    let mut plan = planned(world, resource);
    if !plan.topics.is_empty() {
        add_topics(world, &plan.topics);
        plan = planned(world, resource);
    }
    world.live.extend(applied(&plan.writes).live);
    for delete in &plan.deletes {
        world.live.remove(&(delete.kind, delete.name.clone()));
    }
    if let Some(status) = &plan.status {
        resource.status = Some(status.clone());
    }
    plan
}

fn job(world: &mut World) -> Option<&mut Value> {
    world
        .live
        .iter_mut()
        .find(|((kind, _), _)| *kind == ChildKind::Job)
        .map(|(_, job)| job)
}

fn finish_job(world: &mut World, type_: &str) {
    let condition = json!({
        "type": type_, "status": "True", "message": "told by the Job",
        "lastTransitionTime": at(0).0.to_string(), "reason": "BackoffLimitExceeded",
    });
    job(world).unwrap()["status"] = json!({"conditions": [condition]});
}

/// [`connected`] and its world after everything was prepared, applied, rolled out and reported.
fn settled_connected() -> (UserService, World) {
    let (mut resource, mut world) = (connected(), reachable());
    settle(&mut world, &mut resource);
    (resource, world)
}

/// Carries out what there is to do for a resource that prepares something, until its pods run.
fn settle(world: &mut World, resource: &mut UserService) {
    carry_out(world, resource);
    finish_job(world, "Complete");
    carry_out(world, resource);
    rolled_out(world);
    carry_out(world, resource);
    if let SeenTopics::Found { created, .. } = &mut world.topics {
        created.clear();
    }
}

fn kinds(plan: &Plan) -> Vec<ChildKind> {
    plan.writes.iter().map(|child| child.kind).collect()
}

/// Reason of `Ready`.
fn ready_reason(resource: &UserService) -> &str {
    let status = resource.status.as_ref().unwrap();
    &condition(status, "Ready").unwrap().reason
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
        object["metadata"]["resourceVersion"] = json!("7");
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
