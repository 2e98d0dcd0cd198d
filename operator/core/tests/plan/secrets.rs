//! Secrets that the resource refers to.

use operator_api::UserService;
use operator_core::{ChildKind, Plan, World, secret_digest};
use serde_json::json;

use super::{
    add_secret, carry_out, condition, connected, kinds, planned, reachable, ready_reason, settle,
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

    let service = (ChildKind::Service, "users".to_owned());
    world.live.get_mut(&service).unwrap()["spec"]["ports"][0]["port"] = json!(1);
    let written = kinds(&planned(&world, &resource));
    assert_eq!(
        written,
        [ChildKind::Service],
        "what somebody changed is put back all the same"
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

/// [`connected`], with credentials for brokers and registry, and pods that run with them.
fn settled_with_credentials() -> (UserService, World) {
    let mut resource = connected();
    let kafka = resource.spec.events.as_mut().unwrap();
    let kafka = kafka.kafka.as_mut().unwrap();
    kafka.security_protocol = operator_api::SecurityProtocol::SaslSsl;
    let named = |secret: &str| {
        Some(operator_api::SecretReference {
            secret: secret.to_owned(),
        })
    };
    kafka.credentials = named("users-kafka");
    kafka.schema_registry.as_mut().unwrap().credentials = named("users-registry");
    let mut world = reachable();
    for secret in ["users-kafka", "users-registry"] {
        for key in ["ca.crt", "tls.crt", "tls.key", "username", "password"] {
            change(&mut world, secret, key, "1");
        }
    }
    settle(&mut world, &mut resource);
    (resource, world)
}

fn change(world: &mut World, secret: &str, key: &str, digest: &str) {
    let keys = world.secrets.entry(secret.to_owned()).or_default();
    keys.insert(key.to_owned(), digest.to_owned());
}

#[test]
fn changed_certificates_for_the_brokers_are_left_to_the_running_pods() {
    let (resource, mut world) = settled_with_credentials();
    for key in ["ca.crt", "tls.crt", "tls.key"] {
        change(&mut world, "users-kafka", key, "2");
        assert_eq!(planned(&world, &resource), Plan::default(), "{key}");
    }
}

#[test]
fn a_changed_password_for_the_brokers_rolls_the_pods_and_prepares_nothing() {
    for key in ["username", "password"] {
        let (resource, mut world) = settled_with_credentials();
        change(&mut world, "users-kafka", key, "2");
        assert_eq!(
            kinds(&planned(&world, &resource)),
            [ChildKind::ControllerRevision, ChildKind::Deployment],
            "{key}"
        );
    }
}

#[test]
fn a_changed_authority_of_the_registry_prepares_anew_and_rolls_nothing() {
    let (mut resource, mut world) = settled_with_credentials();
    let template = super::deployment(&mut world)["spec"]["template"].clone();
    change(&mut world, "users-registry", "ca.crt", "2");
    let plan = carry_out(&mut world, &mut resource);
    assert_eq!(kinds(&plan), [ChildKind::Job]);
    for ((kind, _), job) in &mut world.live {
        if *kind == ChildKind::Job {
            job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        }
    }
    let plan = carry_out(&mut world, &mut resource);
    assert_eq!(kinds(&plan), [ChildKind::Deployment]);
    assert_eq!(super::deployment(&mut world)["spec"]["template"], template);
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
