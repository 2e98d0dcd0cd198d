//! Certificates by cert-manager. Its definition is the real one; the issuer is played: the scenario writes the Secret
//! that cert-manager would write for the Certificate.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    api::core::v1::Secret,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use operator_core::children::Certificate;
use scenarios::{
    Scenario,
    load::client_pod,
    once,
    tls::{Authority, protected},
    wait::{Seen, until},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::scenario;

/// Of this version the definition is taken, and this is what its module has to be.
const MODULE: &str = "github.com/cert-manager/cert-manager@v1.21.2";
const SUM: &str = "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=";
const DEFINITION: &str = "deploy/crds/cert-manager.io_certificates.yaml";
const DEFINITION_NAME: &str = "certificates.cert-manager.io";

/// Bound for the operator to notice that the definition came.
const NOTICED: Duration = Duration::from_secs(60);
/// Bound for it to put back what somebody else changed.
const PUT_BACK: Duration = Duration::from_secs(5);

/// cert-manager's own definition, from its Go module.
async fn definition() -> Result<CustomResourceDefinition> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Module {
        dir: String,
        sum: String,
    }
    let output = tokio::process::Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .output()
        .await
        .context("go")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "go mod download {MODULE}: {said}");
    let module: Module = serde_json::from_str(&said)?;
    ensure!(module.sum == SUM, "{MODULE} is {}", module.sum);
    let path = format!("{}/{DEFINITION}", module.dir);
    let manifest = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    Ok(serde_yaml::from_str(&manifest)?)
}

fn definitions(s: &Scenario) -> Api<CustomResourceDefinition> {
    Api::all(s.client())
}

async fn define(s: &Scenario) -> Result<()> {
    let definition = definition().await?;
    definitions(s)
        .create(&PostParams::default(), &definition)
        .await?;
    until(
        "Certificates are known",
        Duration::from_secs(30),
        || async {
            let found = certificates(s)
                .list(&kube::api::ListParams::default())
                .await;
            Ok(Seen::when(found.is_ok(), (), found.err()))
        },
    )
    .await
}

/// Takes the definition away, and with it all Certificates.
async fn undefine(s: &Scenario) -> Result<()> {
    definitions(s)
        .delete(DEFINITION_NAME, &DeleteParams::default())
        .await?;
    until(
        "the definition is gone",
        Duration::from_secs(30),
        || async {
            let left = definitions(s).get_opt(DEFINITION_NAME).await?;
            Ok(Seen::when(left.is_none(), (), "still there"))
        },
    )
    .await
}

fn certificates(s: &Scenario) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<Certificate>(&());
    Api::namespaced_with(s.client(), &s.namespace, &kind)
}

/// A field of the spec of a Certificate.
fn field<'a>(certificate: &'a DynamicObject, name: &str) -> Result<&'a Value> {
    let spec = certificate.data.get("spec").context("spec")?;
    spec.get(name).with_context(|| name.to_owned())
}

fn with_certificate() -> Value {
    json!({"tls": {"certificate": {"issuerRef": {"name": "internal", "kind": "ClusterIssuer"}, "duration": "720h"}}})
}

/// Waits until `Ready` has this reason, and this in its message.
async fn told(s: &Scenario, reason: &str, words: &str, bound: Duration) -> Result<()> {
    until(&format!("the status says {reason}"), bound, || async {
        let status = s.resources().get("users").await?.status.unwrap_or_default();
        let told = status.conditions.iter().any(|condition| {
            condition.type_ == "Ready"
                && condition.reason == reason
                && condition.message.contains(words)
        });
        Ok(Seen::when(told, (), &status.conditions))
    })
    .await
}

/// What cert-manager does about a Certificate: a Secret with what it asks for, and a mark whose it is.
async fn issue(s: &Scenario, authority: &Authority, certificate: &DynamicObject) -> Result<()> {
    let secret = field(certificate, "secretName")?;
    let secret = secret.as_str().context("secretName")?;
    let names: Vec<&str> = field(certificate, "dnsNames")?
        .as_array()
        .context("dnsNames")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {
            "name": secret,
            "annotations": {"cert-manager.io/certificate-name": certificate.name_any()},
        },
        "stringData": authority.issue(&names, 2040)?,
    });
    let secrets: Api<Secret> = Api::namespaced(s.client(), &s.namespace);
    let params = PatchParams::apply("cert-manager-certificates-issuing");
    secrets
        .patch(secret, &params, &Patch::Apply(manifest))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_certificate_is_asked_for_once_cert_manager_is_there_and_served_once_it_is_issued() {
    scenario("certificate", async |s| {
        if definitions(s).get_opt(DEFINITION_NAME).await?.is_some() {
            undefine(s).await?;
        }
        s.ready_with(json!({})).await?;
        let before = s.pod_uids().await?;
        s.apply(with_certificate()).await?;
        let field = "spec.tls.certificate: ";
        told(s, "CertManagerMissing", field, Duration::from_secs(10)).await?;
        ensure!(s.pod_uids().await? == before, "what runs is left alone");

        define(s).await?;
        let outcome = issued_and_taken_away(s).await;
        undefine(s).await?;
        outcome
    })
    .await;
}

async fn issued_and_taken_away(s: &Scenario) -> Result<()> {
    told(s, "CertificatePending", "users-certificate", NOTICED).await?;
    let certificate = certificates(s).get("users").await?;
    ensure!(
        certificate
            .owner_references()
            .first()
            .map(|owner| owner.kind.as_str())
            == Some("UserService"),
        "{certificate:?}"
    );
    let issuer = field(&certificate, "issuerRef")?;
    let expected = json!({"name": "internal", "kind": "ClusterIssuer", "group": "cert-manager.io"});
    ensure!(*issuer == expected, "{issuer}");

    let authority = Authority::new()?;
    issue(s, &authority, &certificate).await?;
    s.ready().await?;
    s.write_secret("authority", &authority.public()).await?;
    let target = format!("users-headless.{}.svc:8080", s.namespace);
    let arguments = [
        "demo",
        "--target",
        &target,
        "--name",
        "Ada",
        "--email",
        "ada@example.com",
    ];
    let pod = client_pod("call", &s.cluster.client_image, None, &arguments)?;
    once::run(s, protected(pod, "authority")).await?;

    let theirs = json!({"spec": {"dnsNames": ["elsewhere.example"]}});
    let params = PatchParams::default();
    certificates(s)
        .patch("users", &params, &Patch::Merge(theirs))
        .await?;
    until("the names are put back", PUT_BACK, || async {
        let now = certificates(s).get("users").await?;
        let names = field(&now, "dnsNames")?;
        Ok(Seen::when(
            names == field(&certificate, "dnsNames")?,
            (),
            names,
        ))
    })
    .await?;

    s.ready_with(json!({})).await?;
    until(
        "the Certificate is gone",
        Duration::from_secs(10),
        || async {
            let left = certificates(s).get_opt("users").await?;
            Ok(Seen::when(left.is_none(), (), left))
        },
    )
    .await?;

    let foreign = serde_json::from_value(json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "users"},
        "spec": {"secretName": "theirs", "issuerRef": {"name": "theirs"}, "dnsNames": ["theirs.example"]},
    }))?;
    let foreign = certificates(s)
        .create(&PostParams::default(), &foreign)
        .await?;
    s.apply(with_certificate()).await?;
    told(
        s,
        "NameConflict",
        "Certificate users exists",
        Duration::from_secs(10),
    )
    .await?;
    let left_alone = certificates(s).get("users").await?;
    ensure!(left_alone.data == foreign.data, "{left_alone:?}");
    Ok(())
}
