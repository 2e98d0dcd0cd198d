//! Which clients may connect.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
};
use user_settings::Tls;
use webpki::EndEntityCert;

/// Takes a certificate that another verifier takes, if one of its subject alternative names is listed.
pub(super) struct AllowedClients {
    verifier: Arc<dyn ClientCertVerifier>,
    names: BTreeSet<String>,
}

impl AllowedClients {
    /// The clients that the settings allow: every one that `verifier` takes, if they list none.
    pub(super) fn of(
        verifier: Arc<dyn ClientCertVerifier>,
        settings: &Tls,
    ) -> Arc<dyn ClientCertVerifier> {
        let names: BTreeSet<String> = settings.clients().map(normal).collect();
        if names.is_empty() {
            return verifier;
        }
        Arc::new(Self { verifier, names })
    }

    fn allows(&self, certificate: &CertificateDer<'_>) -> Result<bool, Error> {
        let certificate = EndEntityCert::try_from(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let mut names = certificate
            .valid_dns_names()
            .chain(certificate.valid_uri_names());
        Ok(names.any(|name| self.names.contains(&normal(name))))
    }
}

/// DNS names are the same in any case; what has a scheme is a URI and stays as it is.
fn normal(name: &str) -> String {
    if name.contains(':') {
        name.to_owned()
    } else {
        name.to_ascii_lowercase()
    }
}

impl ClientCertVerifier for AllowedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .verifier
            .verify_client_cert(end_entity, intermediates, now)?;
        if self.allows(end_entity)? {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl fmt::Debug for AllowedClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AllowedClients")
    }
}
