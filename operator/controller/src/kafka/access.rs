use krafka::{
    Kafka,
    admin::AdminClient,
    auth::{AuthConfig, TlsConfig},
};
use operator_cluster::SecretData;
use operator_core::KafkaAccess;
use user_settings::{SaslMechanism, SecurityProtocol};

use super::{CONNECT, Error, REQUEST};

/// Connects as the pods will: by the same brokers, protocol and credentials.
pub(super) async fn connect(
    access: &KafkaAccess,
    secrets: &SecretData,
) -> Result<AdminClient, Error> {
    let kafka = Kafka::builder(access.kafka.bootstrap_servers.clone())
        .client_id("userservice-operator")
        .connect_timeout(CONNECT)
        .request_timeout(REQUEST)
        .security(security(access, secrets)?)
        .connect()
        .await?;
    Ok(kafka.admin().default_api_timeout(REQUEST))
}

pub(super) fn security(access: &KafkaAccess, secrets: &SecretData) -> Result<AuthConfig, Error> {
    let value = |key| {
        let secret = access.credentials.as_deref()?;
        secrets.value(secret, key)
    };
    let text = |key| match value(key).map(|bytes| String::from_utf8(bytes.to_vec())) {
        None => Ok(String::new()),
        Some(Ok(text)) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Some(Err(_)) => Err(Error::NoText {
            secret: access.credentials.clone().unwrap_or_default(),
            key,
        }),
    };
    let mut tls = TlsConfig::new();
    if let Some(authority) = value("ca.crt") {
        tls = tls.with_ca_cert_pem(authority);
    }
    if let (Some(certificate), Some(key)) = (value("tls.crt"), value("tls.key")) {
        tls = tls.with_client_cert_pem(certificate, key.to_vec());
    }
    Ok(match access.kafka.security_protocol {
        SecurityProtocol::Plaintext => AuthConfig::plaintext(),
        SecurityProtocol::Ssl => AuthConfig::ssl(tls),
        SecurityProtocol::SaslSsl => {
            let (username, password) = (text("username")?, text("password")?);
            match access.kafka.sasl_mechanism {
                SaslMechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(username, password),
                SaslMechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(username, password),
                SaslMechanism::Plain => AuthConfig::sasl_plain(username, password),
            }
            .with_tls(tls)
        }
    })
}
