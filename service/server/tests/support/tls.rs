//! Certificates, folders that are swapped as Kubernetes does it, and clients that speak TLS.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType, date_time_ymd,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;
use uuid::Uuid;

use crate::support::soon;

/// What the server is called.
pub const SERVER: &str = "users.example";

/// Somebody who issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM form.
#[derive(Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this DNS name, or URI if it has a scheme, as server and as client.
    pub fn issue(&self, name: &str) -> Identity {
        self.issue_for(name, 1975, 4096)
    }

    /// The same, valid from the beginning of a year to that of another.
    pub fn issue_for(&self, name: &str, from: i32, to: i32) -> Identity {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let name = name.to_owned().try_into().unwrap();
        params.subject_alt_names = vec![if AsRef::<str>::as_ref(&name).contains("://") {
            SanType::URI(name)
        } else {
            SanType::DnsName(name)
        }];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// A client that trusts servers of this authority, speaks HTTP/2 and shows this certificate.
    pub fn client(&self, identity: Option<&Identity>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(vec![identity.der()], identity.private_key())
                .unwrap(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

impl Identity {
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    pub fn files(&self) -> [(&str, &str); 2] {
        [("tls.crt", &self.certificate), ("tls.key", &self.key)]
    }
}

/// A folder with the files of a Secret, replaced all at once as the kubelet does it: each file is a link into `..data`,
/// itself a link to the folder with the version in force.
pub struct SecretVolume {
    directory: PathBuf,
    versions: AtomicUsize,
}

impl SecretVolume {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let directory = std::env::temp_dir().join(format!("user-service-{}", Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        let volume = Self {
            directory,
            versions: AtomicUsize::new(0),
        };
        volume.replace(files);
        for (name, _) in files {
            let target = Path::new("..data").join(name);
            std::os::unix::fs::symlink(target, volume.directory.join(name)).unwrap();
        }
        volume
    }

    pub fn replace(&self, files: &[(&str, &str)]) {
        let version = format!("..{}", self.versions.fetch_add(1, Ordering::Relaxed));
        let folder = self.directory.join(&version);
        std::fs::create_dir(&folder).unwrap();
        for (name, content) in files {
            std::fs::write(folder.join(name), content).unwrap();
        }
        let (data, temporary) = (self.directory.join("..data"), self.directory.join("..tmp"));
        let old = std::fs::read_link(&data).ok();
        std::os::unix::fs::symlink(version, &temporary).unwrap();
        std::fs::rename(temporary, data).unwrap();
        if let Some(old) = old {
            std::fs::remove_dir_all(self.directory.join(old)).unwrap();
        }
    }

    pub fn path(&self, file: &str) -> String {
        self.directory.join(file).display().to_string()
    }
}

impl Drop for SecretVolume {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Shakes hands, as far as the client can tell.
pub async fn handshake(
    address: SocketAddr,
    client: &ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(client.clone()))
        .connect(SERVER.try_into().unwrap(), stream)
        .await
}

/// A channel that connects once; whether the server takes the client turns out with the first call.
pub async fn connect(
    address: SocketAddr,
    client: &ClientConfig,
) -> Result<Channel, tonic::transport::Error> {
    let client = client.clone();
    let connector = service_fn(move |_| {
        let client = client.clone();
        async move { handshake(address, &client).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_shared(format!("http://{SERVER}")).unwrap();
    soon("connecting", endpoint.connect_with_connector(connector)).await
}

/// One call on a channel.
pub async fn check(channel: &Channel) -> Result<(), String> {
    let call = async {
        HealthClient::new(channel.clone())
            .check(HealthCheckRequest::default())
            .await
    };
    match soon("a call", call).await {
        Ok(_) => Ok(()),
        Err(status) => Err(format!("{status:?}")),
    }
}

/// One call on a connection of its own.
pub async fn call(address: SocketAddr, client: &ClientConfig) -> Result<(), String> {
    let channel = connect(address, client)
        .await
        .map_err(|error| format!("{error:?}"))?;
    check(&channel).await
}
