//! Certificates, key and authorities from their files.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier,
};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use user_settings::{Tls, TlsMode};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::HTTP2;
use super::clients::AllowedClients;
use crate::telemetry::date;

/// Most bytes of a file: what a Secret holds at most.
const MAX_SIZE: u64 = 1024 * 1024;

/// Why TLS files cannot be used. What a file holds is never told.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is larger than any that this could be.
    #[error("{} is larger than 1 MiB", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {expected} in PEM form: {source}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// The key belongs to another certificate, or is of a kind that cannot be used.
    #[error("certificate and key cannot be used: {0}")]
    Identity(rustls::Error),
    /// A certificate of an authority cannot be used.
    #[error("the authorities of clients cannot be used: {0}")]
    Authority(rustls::Error),
    /// There is no authority that clients could come from.
    #[error("the authorities of clients cannot be used: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// The certificate does not say until when it is valid.
    #[error("the certificate cannot be read: {0}")]
    Certificate(#[from] x509_cert::der::Error),
    /// All is well, but for the time.
    #[error("the certificate is valid from {} to {}, which is not now", date(*validity.start()), date(*validity.end()))]
    NotValid {
        /// When the certificate is valid, since the Unix epoch.
        validity: RangeInclusive<Duration>,
    },
}

/// What the files hold. No `Debug`: there is a private key among it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What can be made of the files.
pub(super) struct Usable {
    pub(super) config: Arc<ServerConfig>,
    /// When the server's certificate is valid, since the Unix epoch.
    pub(super) validity: RangeInclusive<Duration>,
}

impl Files {
    /// Reads what the settings name. Blocks.
    pub(super) fn read(settings: &Tls) -> Result<Self, TlsError> {
        let mutual = settings.mode == TlsMode::Mutual;
        Ok(Self {
            certificate: read(&settings.certificate_file)?,
            key: read(&settings.key_file)?,
            client_ca: mutual.then(|| read(&settings.client_ca_file)).transpose()?,
        })
    }

    /// Whether both hold the same certificate of the server.
    pub(super) fn show_the_same(&self, other: &Self) -> bool {
        self.certificate == other.certificate
    }

    /// Makes something of it, whatever the time.
    pub(super) fn usable(&self, settings: &Tls) -> Result<Usable, TlsError> {
        let chain = certificates(&self.certificate, &settings.certificate_file)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(content(&settings.key_file, "private key"))?;
        let validity = match chain.first() {
            Some(own) => validity(own)?,
            None => Duration::ZERO..=Duration::ZERO,
        };
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Identity)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(pem, &settings.client_ca_file)? {
                    roots.add(authority).map_err(TlsError::Authority)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()?;
                builder.with_client_cert_verifier(AllowedClients::of(verifier, settings))
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(TlsError::Identity)?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        // Every connection is verified anew: a resumed one would rest on authorities that may be gone. Connections are
        // long, so the full handshake costs little.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Usable {
            config: Arc::new(config),
            validity,
        })
    }
}

impl Usable {
    /// The same, if its certificate is valid at this time.
    pub(super) fn at(self, now: Duration) -> Result<Self, TlsError> {
        if self.validity.contains(&now) {
            return Ok(self);
        }
        let validity = self.validity;
        Err(TlsError::NotValid { validity })
    }
}

/// A file, up to a bound.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Read {
            path: path.to_owned(),
            source,
        })?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size > MAX_SIZE) {
        return Err(TlsError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// All certificates of a PEM file, at least one.
fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(content(path, "certificate"))?;
    if certificates.is_empty() {
        return Err(content(path, "certificate")(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// When a certificate is valid, both ends included (RFC 5280 §4.1.2.5). Of those that it comes with clients judge: an old
/// one may be there for old clients.
fn validity(certificate: &CertificateDer<'_>) -> Result<RangeInclusive<Duration>, TlsError> {
    let certificate = Certificate::from_der(certificate)?;
    let validity = certificate.tbs_certificate().validity();
    Ok(validity.not_before.to_unix_duration()..=validity.not_after.to_unix_duration())
}

fn content(path: &Path, expected: &'static str) -> impl FnOnce(pem::Error) -> TlsError {
    move |source| TlsError::Content {
        path: path.to_owned(),
        expected,
        source,
    }
}
