//! The certificate that cert-manager is asked for: whether it can be, and whether it is there.

use operator_api::condition::reason;
use serde_json::Value;

use crate::{
    ChildKind, Validated, World,
    children::certificate_secret,
    status::{Obstacle, Stage},
    world::condition_of,
};

/// The Secret that cert-manager would write, if there is one already that it did not write for us.
pub(crate) fn secret_taken(world: &World, validated: &Validated) -> Option<Obstacle<'static>> {
    validated.certificate.as_ref()?;
    let name = certificate_secret(&validated.name);
    let is_ours = world.issued.get(&name) == Some(&validated.name)
        // It may have lost what says so since.
        || world.get(ChildKind::Certificate, &validated.name).is_some();
    let is_taken = world.secrets.contains_key(&name) && !is_ours;
    is_taken.then_some(Obstacle::SecretConflict(name))
}

/// Whether it cannot be asked for, as far as the cluster is concerned.
pub(crate) fn lacks_cert_manager(world: &World, validated: &Validated) -> bool {
    validated.certificate.is_some() && world.unknown.contains(&ChildKind::Certificate)
}

/// Why there is no certificate, if the spec asks for one.
pub(crate) fn hold(world: &World, validated: &Validated) -> Option<Stage> {
    validated.certificate.as_ref()?;
    if lacks_cert_manager(world, validated) {
        let message = "spec.tls.certificate: the cluster does not know Certificates of cert-manager.io/v1. \
                       Install cert-manager, or name a Secret in spec.tls.secret. What runs is left as it is.";
        return Some(Stage::stuck(
            reason::CERT_MANAGER_MISSING,
            message.to_owned(),
        ));
    }
    let secret = certificate_secret(&validated.name);
    let is_there = world.secrets.get(&secret).is_some_and(|keys| {
        ["tls.crt", "tls.key"]
            .iter()
            .all(|key| keys.contains_key(*key))
    });
    if is_there {
        return None;
    }
    let (name, namespace) = (&validated.name, &validated.namespace);
    let live = world.get(ChildKind::Certificate, name);
    let failure = live.and_then(|live| message(live, "Issuing", "False"));
    let said = failure
        .or_else(|| live.and_then(|live| message(live, "Ready", "False")))
        .map(|said| format!(" {}.", said.trim_end_matches('.')))
        .unwrap_or_default();
    let message = format!(
        "Certificate {name} has not been issued; pods wait for Secret {secret}.{said} \
         See kubectl describe certificate,certificaterequest -n {namespace}."
    );
    Some(if failure.is_some() {
        Stage::impaired(reason::CERTIFICATE_PENDING, message)
    } else {
        Stage::moving(reason::CERTIFICATE_PENDING, message)
    })
}

/// The message of a condition of this type and status.
fn message<'a>(live: &'a Value, type_: &str, status: &str) -> Option<&'a str> {
    condition_of(live, type_, status)?.get("message")?.as_str()
}
