//! TLS on the gRPC port.

use operator_api::UserService;
use operator_core::{ChildKind, Plan, World, secret_digest};
use serde_json::{Value, json};

use super::{carry_out, deployment, kinds, planned, ready_reason, resource};

fn with_tls(tls: Value) -> UserService {
    let mut resource = resource();
    resource.spec.tls = serde_json::from_value(tls).unwrap();
    resource
}

fn mutual() -> UserService {
    with_tls(json!({"secret": "users-tls", "clientCa": {"secret": "users-clients"}}))
}

fn add_secrets(world: &mut World, content: &[u8]) {
    for (secret, keys) in [
        ("users-tls", vec!["tls.crt", "tls.key"]),
        ("users-clients", vec!["ca.crt"]),
    ] {
        let digest = |key: &str| secret_digest("uid-of-users", key, content);
        let keys = keys.into_iter().map(|key| (key.to_owned(), digest(key)));
        world.secrets.insert(secret.to_owned(), keys.collect());
    }
}

fn app_protocols(plan: &Plan) -> Vec<&str> {
    plan.writes
        .iter()
        .filter(|write| write.kind == ChildKind::Service)
        .filter_map(|write| write.object.pointer("/spec/ports/0/appProtocol")?.as_str())
        .collect()
}

#[test]
fn changed_certificates_and_authorities_are_left_to_the_running_pods() {
    let (mut resource, mut world) = (mutual(), World::default());
    add_secrets(&mut world, b"one");
    carry_out(&mut world, &mut resource);
    let before = deployment(&mut world).clone();
    add_secrets(&mut world, b"two");
    let plan = carry_out(&mut world, &mut resource);
    assert!(!kinds(&plan).contains(&ChildKind::Deployment), "{plan:?}");
    assert_eq!(*deployment(&mut world), before);
}

#[test]
fn a_secret_for_tls_that_is_missing_is_named_and_no_pod_is_written() {
    let mut world = World::default();
    add_secrets(&mut world, b"one");
    for (secret, field) in [
        ("users-tls", "spec.tls.secret"),
        ("users-clients", "spec.tls.clientCa"),
    ] {
        let mut lacking = World {
            secrets: world.secrets.clone(),
            ..World::default()
        };
        lacking.secrets.remove(secret);
        let mut resource = mutual();
        let plan = carry_out(&mut lacking, &mut resource);
        assert!(!kinds(&plan).contains(&ChildKind::Deployment));
        assert_eq!(ready_reason(&resource), "SecretMissing");
        let told = format!("{:?}", plan.status);
        assert!(
            told.contains(&format!("{field}: Secret {secret} does not exist")),
            "{told}"
        );
    }
}

#[test]
fn services_say_whether_there_is_tls() {
    let mut world = World::default();
    add_secrets(&mut world, b"one");
    assert_eq!(
        app_protocols(&planned(&world, &resource())),
        ["kubernetes.io/h2c"; 2]
    );
    let server = with_tls(json!({"secret": "users-tls"}));
    assert_eq!(app_protocols(&planned(&world, &server)), ["https"; 2]);
}
