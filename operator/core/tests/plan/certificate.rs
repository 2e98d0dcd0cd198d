//! A certificate that cert-manager issues.

use operator_api::UserService;
use operator_core::{ChildKind, Plan, World, diff};
use serde_json::json;

use super::{
    at, carry_out, condition, deployment, kinds, ready_reason, release, resource, rolled_out,
};

const SECRET: &str = "users-certificate";

fn with_certificate() -> UserService {
    let mut resource = resource();
    let tls = json!({"certificate": {"issuerRef": {"name": "internal"}, "duration": "720h"}});
    resource.spec.tls = serde_json::from_value(tls).unwrap();
    resource
}

/// As cert-manager writes it for the Certificate of this name.
fn add_secret(world: &mut World, certificate: Option<&str>) {
    let keys = ["ca.crt", "tls.crt", "tls.key"].map(|key| (key.to_owned(), "1".to_owned()));
    world.secrets.insert(SECRET.to_owned(), keys.into());
    if let Some(certificate) = certificate {
        world
            .issued
            .insert(SECRET.to_owned(), certificate.to_owned());
    }
}

fn message(resource: &UserService) -> &str {
    let status = resource.status.as_ref().unwrap();
    &condition(status, "Ready").unwrap().message
}

fn has(plan: &Plan, kind: ChildKind) -> bool {
    kinds(plan).contains(&kind)
}

/// [`with_certificate`] and its world once all is issued, rolled out and reported.
fn settled() -> (UserService, World) {
    let (mut resource, mut world) = (with_certificate(), World::default());
    carry_out(&mut world, &mut resource);
    add_secret(&mut world, Some("users"));
    carry_out(&mut world, &mut resource);
    rolled_out(&mut world);
    carry_out(&mut world, &mut resource);
    assert_eq!(ready_reason(&resource), "Available");
    (resource, world)
}

#[test]
fn pods_wait_for_the_certificate_and_mount_what_is_issued() {
    let (mut resource, mut world) = (with_certificate(), World::default());
    let plan = carry_out(&mut world, &mut resource);
    assert!(has(&plan, ChildKind::Certificate) && !has(&plan, ChildKind::Deployment));
    assert_eq!(ready_reason(&resource), "CertificatePending");
    let certificate = &world.live[&(ChildKind::Certificate, "users".to_owned())];
    assert_eq!(certificate["spec"]["secretName"], SECRET);
    assert_eq!(
        certificate["spec"]["dnsNames"],
        json!([
            "users",
            "users.team-a",
            "users.team-a.svc",
            "users.team-a.svc.cluster.local",
            "users-headless",
            "users-headless.team-a",
            "users-headless.team-a.svc",
            "users-headless.team-a.svc.cluster.local",
        ])
    );

    add_secret(&mut world, Some("users"));
    let plan = carry_out(&mut world, &mut resource);
    assert!(has(&plan, ChildKind::Deployment), "{plan:?}");
    let volume =
        &deployment(&mut world)["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"];
    assert_eq!(volume[0]["secret"]["name"], SECRET);
}

#[test]
fn what_cert_manager_says_of_a_certificate_that_does_not_come_is_told() {
    let (mut resource, mut world) = (with_certificate(), World::default());
    carry_out(&mut world, &mut resource);
    let ready = |world: &mut World, conditions| {
        let key = (ChildKind::Certificate, "users".to_owned());
        world.live.get_mut(&key).unwrap()["status"] = json!({"conditions": conditions});
    };
    let waits = json!({"type": "Ready", "status": "False", "message": "Issuing certificate as Secret does not exist"});
    ready(&mut world, json!([waits]));
    carry_out(&mut world, &mut resource);
    assert!(
        message(&resource).contains(" Issuing certificate as Secret does not exist. See"),
        "{}",
        message(&resource)
    );
    let status = resource.status.as_ref().unwrap();
    assert_eq!(condition(status, "Ready").unwrap().status, "Unknown");

    let failed = json!({"type": "Issuing", "status": "False", "message": "The issuer refused it."});
    ready(&mut world, json!([waits, failed]));
    carry_out(&mut world, &mut resource);
    assert!(
        message(&resource).contains(" The issuer refused it. See"),
        "{}",
        message(&resource)
    );
    let status = resource.status.as_ref().unwrap();
    assert_eq!(condition(status, "Ready").unwrap().status, "False");
    assert!(condition(status, "Reconciling").is_some());
}

#[test]
fn without_cert_manager_the_field_is_named_what_runs_stays_and_it_is_looked_for_again() {
    let (mut resource, mut world) = super::settled();
    world.unknown.insert(ChildKind::Certificate);
    resource.spec.tls = with_certificate().spec.tls;
    resource.metadata.generation = Some(2);
    let before = deployment(&mut world).clone();
    let plan = carry_out(&mut world, &mut resource);
    assert!(!has(&plan, ChildKind::Certificate) && !has(&plan, ChildKind::Deployment));
    assert!(
        !has(&plan, ChildKind::Service),
        "what clients speak is what the pods that run do"
    );
    assert_eq!(*deployment(&mut world), before);
    assert_eq!(ready_reason(&resource), "CertManagerMissing");
    assert!(
        message(&resource).starts_with("spec.tls.certificate: ")
            && message(&resource).contains("Install cert-manager"),
        "{}",
        message(&resource)
    );
    let status = resource.status.as_ref().unwrap();
    assert!(condition(status, "Stalled").is_some());
    let rest = carry_out(&mut world, &mut resource);
    assert_eq!((rest.writes, rest.status), (vec![], None));
    assert!(
        rest.requeue
            .is_some_and(|wait| wait <= std::time::Duration::from_secs(10))
    );
    let diff = diff(&world, &resource, &release(), &at(100)).unwrap();
    let certificate = diff.changes.iter().find(|one| one.kind == "Certificate");
    assert_eq!(
        certificate.unwrap().waits_for.as_deref(),
        Some("CertManagerMissing")
    );

    world.unknown.clear();
    let plan = carry_out(&mut world, &mut resource);
    assert!(has(&plan, ChildKind::Certificate), "{plan:?}");
}

#[test]
fn a_secret_of_somebody_else_is_not_given_to_cert_manager_to_overwrite() {
    for issued in [None, Some("others")] {
        let (mut resource, mut world) = (with_certificate(), World::default());
        add_secret(&mut world, issued);
        let plan = carry_out(&mut world, &mut resource);
        assert_eq!(plan.writes, []);
        assert_eq!(ready_reason(&resource), "NameConflict");
        assert!(
            message(&resource).starts_with("Secret users-certificate exists"),
            "{}",
            message(&resource)
        );
    }
}

#[test]
fn a_secret_that_loses_its_mark_later_is_no_conflict() {
    let (mut resource, mut world) = settled();
    world.issued.clear();
    assert_eq!(carry_out(&mut world, &mut resource), Plan::default());
}

#[test]
fn a_certificate_of_somebody_else_is_left_alone() {
    let (mut resource, mut world) = (with_certificate(), World::default());
    let theirs = json!({"metadata": {"name": "users", "uid": "theirs"}, "spec": {}});
    let key = (ChildKind::Certificate, "users".to_owned());
    world.live.insert(key, theirs);
    let plan = carry_out(&mut world, &mut resource);
    assert_eq!(plan.writes, []);
    assert_eq!(ready_reason(&resource), "NameConflict");
    assert!(message(&resource).starts_with("Certificate users exists"));
}

#[test]
fn a_renewed_certificate_replaces_no_pods() {
    let (mut resource, mut world) = settled();
    for digest in world.secrets.get_mut(SECRET).unwrap().values_mut() {
        *digest = "2".to_owned();
    }
    assert_eq!(carry_out(&mut world, &mut resource), Plan::default());
}

#[test]
fn a_certificate_that_is_not_asked_for_any_more_is_deleted() {
    let (mut resource, mut world) = settled();
    resource.spec.tls = None;
    resource.metadata.generation = Some(2);
    let plan = carry_out(&mut world, &mut resource);
    let deleted: Vec<_> = plan.deletes.iter().map(|delete| delete.kind).collect();
    assert_eq!(deleted, [ChildKind::Certificate]);
}
