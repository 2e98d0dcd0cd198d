//! Certificates for mutual TLS, in a folder of their own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use uuid::Uuid;

/// What the server is called.
pub(super) const SERVER: &str = "users.example";

/// `ca.crt`, and `tls.crt` with `tls.key` for server and client alike. Removed when dropped.
pub(super) struct Certificates(PathBuf);

impl Certificates {
    pub(super) fn issue() -> Result<Self> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut leaf = CertificateParams::new([SERVER.to_owned()])?;
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let folder = std::env::temp_dir().join(format!("bench-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder)?;
        let written = Self(folder);
        std::fs::write(written.file("ca.crt"), authority.pem())?;
        std::fs::write(
            written.file("tls.crt"),
            leaf.signed_by(&key, &authority)?.pem(),
        )?;
        std::fs::write(written.file("tls.key"), key.serialize_pem())?;
        Ok(written)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
