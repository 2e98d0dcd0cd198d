//! The servers that are held against each other.

use std::path::PathBuf;

use anyhow::Result;

use super::calls::Client;
use super::certificates::Certificates;
use crate::machine::Cores;
use crate::process::{Process, Program};

/// A server, how to speak to it, and how ours has to stand beside it.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// Calls of ours for each second of CPU time, as a share of its; none for ours.
    pub(super) goal: Option<f64>,
    program: Program,
    certificates: Option<PathBuf>,
}

/// Users in memory and events on standard output, which nobody reads.
fn ours(further: &[(&'static str, String)]) -> Program {
    let mut environment = vec![
        ("USERSVC_GRPC_ADDRESS", "127.0.0.1:0".to_owned()),
        ("USERSVC_ADMIN_ADDRESS", "127.0.0.1:0".to_owned()),
    ];
    environment.extend_from_slice(further);
    Program {
        name: "user-service",
        arguments: vec![],
        environment,
    }
}

fn baseline(name: &'static str, arguments: Vec<String>) -> Program {
    Program {
        name,
        arguments,
        environment: vec![],
    }
}

/// What ours needs to speak mutual TLS.
fn tls_settings(certificates: &Certificates) -> Vec<(&'static str, String)> {
    let file = |name| certificates.file(name).display().to_string();
    vec![
        ("USERSVC_TLS", "mutual".to_owned()),
        ("USERSVC_TLS_CERTIFICATE_FILE", file("tls.crt")),
        ("USERSVC_TLS_KEY_FILE", file("tls.key")),
        ("USERSVC_TLS_CLIENT_CA_FILE", file("ca.crt")),
    ]
}

impl Contender {
    pub(super) fn ours(further: &[(&'static str, String)]) -> Self {
        Self {
            name: "user-service",
            goal: None,
            program: ours(further),
            certificates: None,
        }
    }

    pub(super) fn ours_with_tls(certificates: &Certificates) -> Self {
        Self {
            certificates: Some(certificates.folder().to_owned()),
            ..Self::ours(&tls_settings(certificates))
        }
    }

    pub(super) fn echo() -> Self {
        Self {
            name: "bare tonic",
            goal: Some(0.70),
            program: baseline("bench-echo", vec![]),
            certificates: None,
        }
    }

    pub(super) fn echo_with_tls(certificates: &Certificates) -> Self {
        let folder = certificates.folder();
        let arguments = vec!["--mutual-tls".to_owned(), folder.display().to_string()];
        Self {
            goal: Some(0.60),
            program: baseline("bench-echo", arguments),
            certificates: Some(folder.to_owned()),
            ..Self::echo()
        }
    }

    pub(super) fn go() -> Self {
        Self {
            name: "Go",
            goal: Some(2.0),
            program: baseline("bench-peer", vec![]),
            certificates: None,
        }
    }

    /// A process of its own, with connections to it.
    pub(super) async fn start(&self, cores: &Cores) -> Result<(Process, Client)> {
        let process = self.program.start(cores)?;
        let client = Client::connect(process.address, self.certificates.as_deref()).await?;
        Ok((process, client))
    }
}
