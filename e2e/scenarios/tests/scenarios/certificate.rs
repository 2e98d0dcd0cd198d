//! Certificates by cert-manager.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use scenarios::{
    Scenario,
    cert_manager::{CertManager, objects},
    load::client_pod,
    once,
    tls::protected,
    wait::{Seen, until},
};
use serde_json::{Value, json};
use user_settings::metric::TLS_CERTIFICATE_EXPIRY;

use crate::{
    scenario,
    tls::{ensure_untouched, look_at_pods, of_each_pod},
};

/// Bound for the operator to notice that cert-manager came.
const NOTICED: Duration = Duration::from_secs(60);
/// Bound for cert-manager to do what it can do at once, and for the operator to show it.
const SOON: Duration = Duration::from_secs(20);
/// Bound for the pods to take a new certificate, once they are looked at.
const TAKEN_IN: Duration = Duration::from_secs(180);
/// Bound for the operator to put back what somebody else changed.
const PUT_BACK: Duration = Duration::from_secs(5);

/// A group of issuers that cert-manager leaves to others: here, to the scenario.
const OTHERS: &str = "issuers.example.com";

/// With a certificate of the issuer called `internal` in this group.
fn issued_in(group: &str) -> Value {
    let issuer = json!({"name": "internal", "kind": "Issuer", "group": group});
    json!({"tls": {"certificate": {"issuerRef": issuer, "duration": "720h"}}})
}

fn certificates(s: &Scenario) -> Api<DynamicObject> {
    objects(s, "Certificate")
}

/// A part of an object, by its path.
fn part<'a>(object: &'a DynamicObject, path: &str) -> Result<&'a Value> {
    let found = object.data.pointer(path);
    found.with_context(|| format!("{path} in {:?}", object.data))
}

async fn create(s: &Scenario, kind: &str, name: &str, spec: Value) -> Result<()> {
    let manifest = json!({
        "apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    });
    let object = serde_json::from_value(manifest)?;
    objects(s, kind)
        .create(&PostParams::default(), &object)
        .await?;
    Ok(())
}

/// Waits until `Ready` has this status and reason, and this in its message.
async fn told(s: &Scenario, what: (&str, &str), words: &str, bound: Duration) -> Result<()> {
    until(&format!("the status says {what:?}"), bound, || async {
        let status = s.resources().get("users").await?.status.unwrap_or_default();
        let told = status.conditions.iter().any(|condition| {
            condition.type_ == "Ready"
                && (condition.status.as_str(), condition.reason.as_str()) == what
                && condition.message.contains(words)
        });
        Ok(Seen::when(told, (), &status.conditions))
    })
    .await
}

#[tokio::test]
async fn a_certificate_is_asked_for_once_cert_manager_is_there_served_once_it_is_issued_and_renewed_without_a_restart()
 {
    scenario("certificate", async |s| {
        let cert_manager = CertManager::compiled().await?;
        cert_manager.undefine().await?;
        s.ready_with(json!({})).await?;
        let before = s.pod_uids().await?;
        s.apply(issued_in("cert-manager.io")).await?;
        let field = "spec.tls.certificate: ";
        told(s, ("False", "CertManagerMissing"), field, SOON).await?;
        ensure!(s.pod_uids().await? == before, "what runs is left alone");

        cert_manager.define().await?;
        let outcome = with_cert_manager(s, &cert_manager).await;
        cert_manager.undefine().await?;
        outcome
    })
    .await;
}

async fn with_cert_manager(s: &Scenario, cert_manager: &CertManager) -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let log = folder.join(format!("{}.cert-manager.log", s.namespace));
    let _running = cert_manager.start(s, &log)?;
    let outcome = async {
        told_what_cert_manager_says(s).await?;
        issued_and_served(s).await?;
        renewed_without_a_restart(s).await?;
        put_back_and_taken_away(s).await?;
        left_alone_if_it_is_somebody_elses(s).await
    };
    let outcome = outcome.await;
    outcome.with_context(|| format!("log of cert-manager: {}", log.display()))
}

/// There is no such issuer yet, and then another one refuses.
async fn told_what_cert_manager_says(s: &Scenario) -> Result<()> {
    let waiting = ("Unknown", "CertificatePending");
    let said = "Issuing certificate as Secret does not exist";
    told(s, waiting, said, NOTICED).await?;
    let certificate = certificates(s).get("users").await?;
    let owner = certificate.owner_references().first();
    let owner = owner.map(|owner| owner.kind.as_str());
    ensure!(owner == Some("UserService"), "{certificate:?}");
    let issuer = part(&certificate, "/spec/issuerRef")?;
    let expected = json!({"name": "internal", "kind": "Issuer", "group": "cert-manager.io"});
    ensure!(*issuer == expected, "{issuer}");

    s.apply(issued_in(OTHERS)).await?;
    refuse(s, "public names alone").await?;
    let failed = ("False", "CertificatePending");
    told(s, failed, "public names alone", SOON).await
}

/// Answers the request for a certificate as an issuer of another group does.
async fn refuse(s: &Scenario, why: &str) -> Result<()> {
    let requests = objects(s, "CertificateRequest");
    let request = until("the other issuer is asked", SOON, || async {
        let all = requests.list(&ListParams::default()).await?.items;
        let group = |request: &&DynamicObject| {
            part(request, "/spec/issuerRef/group").is_ok_and(|group| group == OTHERS)
        };
        let asked = all.iter().find(group).cloned();
        Ok(asked.map_or_else(|| Seen::NotYet(format!("{all:?}")), Seen::Yes))
    })
    .await?;
    let moment = &request.metadata.creation_timestamp;
    let answer = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest",
        "status": {"failureTime": moment, "conditions": [{
            "type": "Ready", "status": "False", "reason": "Failed", "message": why, "lastTransitionTime": moment,
        }]},
    });
    let issuer = PatchParams::apply("other-issuer");
    requests
        .patch_status(&request.name_any(), &issuer, &Patch::Apply(answer))
        .await?;
    Ok(())
}

/// By an authority that cert-manager makes itself.
async fn issued_and_served(s: &Scenario) -> Result<()> {
    create(s, "Issuer", "bootstrap", json!({"selfSigned": {}})).await?;
    let authority = json!({
        "isCA": true, "commonName": "an authority", "secretName": "authority",
        "privateKey": {"algorithm": "ECDSA"}, "issuerRef": {"name": "bootstrap"},
    });
    create(s, "Certificate", "authority", authority).await?;
    let internal = json!({"ca": {"secretName": "authority"}});
    create(s, "Issuer", "internal", internal).await?;
    s.ready_with(issued_in("cert-manager.io")).await?;
    call(s, "call").await
}

/// One call from a pod that trusts the authority.
async fn call(s: &Scenario, name: &str) -> Result<()> {
    let target = format!("users-headless.{}.svc:8080", s.namespace);
    let email = format!("{name}@example.com");
    let arguments = [
        "demo", "--target", &target, "--name", "Ada", "--email", &email, "--wait",
    ];
    let pod = client_pod(name, &s.cluster.client_image, None, &arguments)?;
    once::run(s, protected(pod, "authority")).await?;
    Ok(())
}

/// Renews the certificate as `cmctl renew` does.
async fn renewed_without_a_restart(s: &Scenario) -> Result<()> {
    let pods = s.pod_uids().await?;
    let before = ends(s).await?;
    let issued = certificates(s).get("users").await?;
    let issued = part(&issued, "/status/revision")?;
    let renew = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "status": {"conditions": [{
            "type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "asked for by hand",
        }]},
    });
    certificates(s)
        .patch_status("users", &PatchParams::apply("cmctl"), &Patch::Apply(renew))
        .await?;
    until("a new certificate is issued", SOON, || async {
        let now = certificates(s).get("users").await?;
        let now = part(&now, "/status/revision")?;
        Ok(Seen::when(now.as_u64() > issued.as_u64(), (), now))
    })
    .await?;
    look_at_pods(s).await?;
    until("the pods show the new certificate", TAKEN_IN, || async {
        let now = ends(s).await?;
        let is_new = now.iter().all(|expiry| !before.contains(expiry));
        Ok(Seen::when(is_new, (), &now))
    })
    .await?;
    call(s, "call-again").await?;
    ensure_untouched(s, &pods).await
}

/// When the certificate that a pod shows ends, of each pod.
async fn ends(s: &Scenario) -> Result<Vec<f64>> {
    of_each_pod(s, TLS_CERTIFICATE_EXPIRY, "").await
}

async fn put_back_and_taken_away(s: &Scenario) -> Result<()> {
    let certificate = certificates(s).get("users").await?;
    let ours = part(&certificate, "/spec/dnsNames")?;
    let theirs = json!({"spec": {"dnsNames": ["elsewhere.example"]}});
    let params = PatchParams::default();
    certificates(s)
        .patch("users", &params, &Patch::Merge(theirs))
        .await?;
    until("the names are put back", PUT_BACK, || async {
        let now = certificates(s).get("users").await?;
        let names = part(&now, "/spec/dnsNames")?;
        Ok(Seen::when(names == ours, (), names))
    })
    .await?;

    s.ready_with(json!({})).await?;
    until("the Certificate is gone", SOON, || async {
        let left = certificates(s).get_opt("users").await?;
        Ok(Seen::when(left.is_none(), (), left))
    })
    .await?;
    let secrets: Api<Secret> = Api::namespaced(s.client(), &s.namespace);
    let left = secrets.get_opt("users-certificate").await?;
    ensure!(left.is_some(), "the Secret stays, as cert-manager has it");
    Ok(())
}

async fn left_alone_if_it_is_somebody_elses(s: &Scenario) -> Result<()> {
    let spec = json!({
        "secretName": "theirs", "issuerRef": {"name": "internal"}, "dnsNames": ["theirs.example"],
    });
    create(s, "Certificate", "users", spec).await?;
    let theirs = certificates(s).get("users").await?;
    s.apply(issued_in("cert-manager.io")).await?;
    let conflict = ("False", "NameConflict");
    told(s, conflict, "Certificate users exists", SOON).await?;
    let now = certificates(s).get("users").await?;
    ensure!(part(&now, "/spec")? == part(&theirs, "/spec")?, "{now:?}");
    Ok(())
}
