//! Whom to trust for the registry.

use std::path::Path;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::{ConfigError, credentials};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Connects by TLS, trusting the authorities of `ca.crt` in this folder or else those of the system; or without TLS.
pub(super) fn connector(
    tls: bool,
    directory: &Path,
) -> Result<HttpsConnector<HttpConnector>, ConfigError> {
    let builder = HttpsConnectorBuilder::new();
    let authorities = credentials::existing(directory, "ca.crt")?.filter(|_| tls);
    let builder = match authorities {
        Some(path) => {
            let roots = read(&path).map_err(ConfigError::Tls)?;
            builder.with_tls_config(trusting(roots)?)
        }
        None if tls => builder
            .with_provider_and_native_roots(default_provider())
            .map_err(|error| ConfigError::Tls(error.into()))?,
        None => builder.with_tls_config(trusting(RootCertStore::empty())?),
    };
    Ok(builder.https_or_http().enable_http1().build())
}

fn read(path: &Path) -> Result<RootCertStore, Cause> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err("ca.crt holds no certificate".into());
    }
    Ok(roots)
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, ConfigError> {
    let builder = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Tls(error.into()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
