//! Secrets that the resource refers to.

use operator_core::{ChildKind, Plan, World, secret_digest};
use serde_json::json;

use super::{
    add_secret, carry_out, condition, connected, kinds, planned, reachable, ready_reason,
    settled_connected,
};

fn message(plan: &Plan) -> String {
    let status = plan.status.as_ref().unwrap();
    let ready = condition(status, "Ready").unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "SecretMissing")
    );
    ready.message.clone()
}

#[test]
fn a_missing_secret_or_key_is_named_and_no_pod_is_written() {
    let mut world = World {
        secrets: [].into(),
        ..reachable()
    };
    let plan = planned(&world, &connected());
    assert!(
        !kinds(&plan).contains(&ChildKind::Deployment) && !kinds(&plan).contains(&ChildKind::Job)
    );
    assert!(
        message(&plan)
            .starts_with("spec.storage.mongodb.connection: Secret users-mongodb does not exist"),
        "{}",
        message(&plan)
    );
    assert!(message(&plan).contains("uri"), "{}", message(&plan));

    world.secrets.insert(
        "users-mongodb".into(),
        [("url".into(), "digest".into())].into(),
    );
    let plan = planned(&world, &connected());
    assert!(
        message(&plan)
            .starts_with("spec.storage.mongodb.connection: Secret users-mongodb has no key uri"),
        "{}",
        message(&plan)
    );
}

#[test]
fn a_secret_that_goes_leaves_what_runs_alone() {
    let (mut resource, mut world) = settled_connected();
    world.secrets.clear();
    let plan = carry_out(&mut world, &mut resource);
    assert_eq!((plan.writes, plan.deletes), (vec![], vec![]));
    assert_eq!(ready_reason(&resource), "SecretMissing");
    assert_eq!(resource.status.as_ref().unwrap().available_replicas, 2);
    assert_eq!(
        planned(&world, &resource),
        Plan::default(),
        "and is reported once"
    );
}

#[test]
fn a_changed_secret_prepares_anew_and_rolls_the_pods_and_its_content_is_nowhere() {
    let (mut resource, mut world) = settled_connected();
    let old = super::deployment(&mut world).clone();
    add_secret(&mut world, "mongodb://two");
    assert_eq!(
        kinds(&carry_out(&mut world, &mut resource)),
        [ChildKind::Job]
    );
    for ((kind, _), job) in &mut world.live {
        if *kind == ChildKind::Job {
            job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        }
    }
    let plan = carry_out(&mut world, &mut resource);
    assert_eq!(
        kinds(&plan),
        [ChildKind::ControllerRevision, ChildKind::Deployment]
    );
    let annotation = "/spec/template/metadata/annotations/usersvc.dev~1secrets-hash";
    let new = super::deployment(&mut world);
    assert!(new.pointer(annotation).is_some());
    assert_ne!(new.pointer(annotation), old.pointer(annotation));
    assert!(!format!("{plan:?}").contains("mongodb://"));
}

#[test]
fn the_same_value_has_another_digest_in_another_resource_and_key() {
    let digest = secret_digest("uid-a", "uri", b"value");
    assert_eq!(digest, secret_digest("uid-a", "uri", b"value"));
    assert_ne!(digest, secret_digest("uid-b", "uri", b"value"));
    assert_ne!(digest, secret_digest("uid-a", "url", b"value"));
}

#[test]
fn half_a_client_certificate_is_a_missing_key() {
    let mut resource = connected();
    let kafka = resource
        .spec
        .events
        .as_mut()
        .unwrap()
        .kafka
        .as_mut()
        .unwrap();
    kafka.security_protocol = operator_api::SecurityProtocol::Ssl;
    kafka.credentials = Some(operator_api::SecretReference {
        secret: "users-kafka".into(),
    });
    let mut world = reachable();
    let mut keys: std::collections::BTreeMap<String, String> =
        [("ca.crt".into(), "1".into())].into();
    world.secrets.insert("users-kafka".into(), keys.clone());
    assert!(
        kinds(&planned(&world, &resource)).contains(&ChildKind::Job),
        "a CA alone will do"
    );
    keys.insert("tls.crt".into(), "2".into());
    world.secrets.insert("users-kafka".into(), keys);
    let plan = planned(&world, &resource);
    assert!(
        message(&plan)
            .starts_with("spec.events.kafka.credentials: Secret users-kafka has no key tls.key"),
        "{}",
        message(&plan)
    );
}
