use operator_api::TlsSpec;
use user_settings::{
    MAX_ALLOWED_CLIENTS, Settings, TLS_CLIENT_CA_FILE, TLS_DIRECTORY, Tls, TlsMode,
};

use super::{Broken, checks};
use crate::secrets::{Need, SecretFile, SecretMount};

/// Reads `spec.tls` into the settings, and what the pods need from Secrets into `mounts`.
pub(super) fn read(
    tls: Option<&TlsSpec>,
    settings: &mut Settings,
    mounts: &mut Vec<SecretMount>,
    broken: &mut Broken,
) {
    let Some(tls) = tls else { return };
    settings.tls.mode = TlsMode::Server;
    checks::secret("spec.tls.secret", &tls.secret, broken);
    mounts.push(SecretMount {
        field: "spec.tls.secret",
        volume: "tls",
        secret: tls.secret.clone(),
        directory: TLS_DIRECTORY,
        files: vec![
            SecretFile::named("tls.crt", Need::Always),
            SecretFile::named("tls.key", Need::Always),
        ],
        is_reloaded: true,
    });
    read_client_ca(tls, settings, mounts, broken);
    read_clients(tls, settings, broken);
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
            }],
            is_reloaded: true,
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
