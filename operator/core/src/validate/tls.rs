use operator_api::TlsSpec;
use user_settings::{
    MAX_ALLOWED_CLIENTS, Settings, TLS_CLIENT_CA_FILE, TLS_DIRECTORY, Tls, TlsMode,
};

use super::{Broken, Certificate, certificate, checks};
use crate::{
    children::certificate_secret,
    secrets::{Need, SecretFile, SecretMount},
};

/// Reads `spec.tls` of the resource of this name into the settings, and what the pods need from
/// Secrets into `mounts`. Returns the certificate that cert-manager is asked for, if any.
pub(super) fn read(
    name: &str,
    tls: Option<&TlsSpec>,
    settings: &mut Settings,
    mounts: &mut Vec<SecretMount>,
    broken: &mut Broken,
) -> Option<Certificate> {
    let tls = tls?;
    settings.tls.mode = TlsMode::Server;
    let mut certificate = None;
    match (&tls.secret, &tls.certificate) {
        (Some(secret), None) => {
            checks::secret("spec.tls.secret", secret, broken);
            mounts.push(mount("spec.tls.secret", secret.clone(), false));
        }
        (None, Some(wanted)) => {
            certificate = Some(certificate::read(wanted, broken));
            let secret = certificate_secret(name);
            mounts.push(mount("spec.tls.certificate", secret, true));
        }
        _ => broken.add(
            "spec.tls",
            "exactly one of secret and certificate must be given",
        ),
    }
    read_client_ca(tls, settings, mounts, broken);
    read_clients(tls, settings, broken);
    certificate
}

fn mount(field: &'static str, secret: String, is_issued: bool) -> SecretMount {
    SecretMount {
        field,
        volume: "tls",
        secret,
        directory: TLS_DIRECTORY,
        files: vec![
            SecretFile::reloaded("tls.crt", Need::Always),
            SecretFile::reloaded("tls.key", Need::Always),
        ],
        serves_only: true,
        is_issued,
    }
}

fn read_client_ca(
    tls: &TlsSpec,
    settings: &mut Settings,
    mounts: &mut Vec<SecretMount>,
    broken: &mut Broken,
) {
    const FIELD: &str = "spec.tls.clientCa";
    let Some(authorities) = &tls.client_ca else {
        return;
    };
    settings.tls.mode = TlsMode::Mutual;
    checks::secret(FIELD, &authorities.secret, broken);
    checks::secret_key(FIELD, &authorities.key, broken);
    if let Some((directory, file)) = TLS_CLIENT_CA_FILE.rsplit_once('/') {
        mounts.push(SecretMount {
            field: FIELD,
            volume: "client-ca",
            secret: authorities.secret.clone(),
            directory,
            files: vec![SecretFile {
                key: authorities.key.clone(),
                path: file,
                need: Need::Always,
                is_reloaded: true,
            }],
            serves_only: true,
            is_issued: false,
        });
    }
}

fn read_clients(tls: &TlsSpec, settings: &mut Settings, broken: &mut Broken) {
    const FIELD: &str = "spec.tls.allowedClients";
    let clients = &tls.allowed_clients;
    if !clients.is_empty() && tls.client_ca.is_none() {
        broken.add(FIELD, "allowedClients needs clientCa");
    }
    if clients.len() > MAX_ALLOWED_CLIENTS {
        broken.add(
            FIELD,
            format!("must hold at most {MAX_ALLOWED_CLIENTS} names"),
        );
    }
    if let Some(bad) = clients.iter().find(|client| !Tls::is_client(client)) {
        broken.add(
            FIELD,
            format!("{bad:?} is no DNS name or URI of 1 to 512 letters, digits and -._~:/%*"),
        );
    }
    settings.tls.allowed_clients = clients.join(",");
}
