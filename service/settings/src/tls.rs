//! Settings of TLS on the gRPC port. The admin port has none: the kubelet's gRPC probes speak plaintext only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bounds;
use crate::settings::Choice;

/// Where the operator mounts the server's certificate and key, as files `tls.crt` and `tls.key`.
pub const TLS_DIRECTORY: &str = "/etc/user-service/tls";

/// Where the operator mounts the authorities of client certificates.
pub const TLS_CLIENT_CA_FILE: &str = "/etc/user-service/client-ca/ca.crt";

/// Most names in [`Tls::allowed_clients`].
pub const MAX_ALLOWED_CLIENTS: usize = 64;

/// Longest name in [`Tls::allowed_clients`], in bytes.
const MAX_CLIENT_LENGTH: usize = 512;

/// How connections to the gRPC port are protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether at all, and in which directions.
    pub mode: TlsMode,
    /// PEM file with the server's certificate first and then its chain. This file and the next two are read again when
    /// they change.
    pub certificate_file: PathBuf,
    /// PEM file with the certificate's private key.
    pub key_file: PathBuf,
    /// PEM file with the authorities that client certificates have to come from; in force with [`TlsMode::Mutual`].
    pub client_ca_file: PathBuf,
    /// Names of which a client's certificate needs one among its subject alternative names, DNS or URI, comma-separated
    /// as [`Tls::clients`] reads them. Empty: every client of the authorities may call.
    pub allowed_clients: String,
    /// Longest time for a handshake; see [`bounds::TLS_HANDSHAKE_TIMEOUT`].
    pub handshake_timeout: Duration,
}

/// In which directions TLS proves who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// There is no TLS.
    Off,
    /// The server shows a certificate.
    Server,
    /// The client has to, as well.
    Mutual,
}

impl Tls {
    /// The names in [`Tls::allowed_clients`].
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.allowed_clients
            .split(',')
            .filter(|client| !client.is_empty())
    }

    /// Whether a text can be a DNS name or a URI of a certificate: 1 to 512 letters, digits and `-._~:/%*`.
    pub fn is_client(text: &str) -> bool {
        (1..=MAX_CLIENT_LENGTH).contains(&text.len())
            && text.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || matches!(c, '-' | '.' | '_' | '~' | ':' | '/' | '%' | '*')
            })
    }
}

impl Default for Tls {
    fn default() -> Self {
        let directory = Path::new(TLS_DIRECTORY);
        Self {
            mode: TlsMode::Off,
            certificate_file: directory.join("tls.crt"),
            key_file: directory.join("tls.key"),
            client_ca_file: TLS_CLIENT_CA_FILE.into(),
            allowed_clients: String::new(),
            handshake_timeout: bounds::TLS_HANDSHAKE_TIMEOUT.default,
        }
    }
}

impl Choice for TlsMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("server", Self::Server),
        ("mutual", Self::Mutual),
    ];
}

/// Whether a text is a list of client names, or empty.
pub(crate) fn are_clients(text: &str) -> bool {
    text.is_empty()
        || (text.split(',').count() <= MAX_ALLOWED_CLIENTS && text.split(',').all(Tls::is_client))
}
