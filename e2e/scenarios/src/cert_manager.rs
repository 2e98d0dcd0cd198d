//! cert-manager's own definitions and controllers, which run beside the cluster.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use tokio::process::{Child, Command};

use crate::{Scenario, kubectl::kubectl};

/// Where the bed has compiled them.
pub struct CertManager(PathBuf);

impl CertManager {
    /// Compiles them, if they are not yet.
    ///
    /// # Errors
    /// If the bed cannot.
    pub async fn compiled() -> Result<Self> {
        let output = Command::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../bed/cert-manager.sh"
        ))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .context("e2e/bed/cert-manager.sh")?;
        ensure!(output.status.success(), "e2e/bed/cert-manager.sh failed");
        let folder = String::from_utf8(output.stdout)?;
        Ok(Self(folder.trim_end().into()))
    }

    fn definitions(&self) -> String {
        self.0.join("definitions.yaml").display().to_string()
    }

    /// Makes the kinds of cert-manager known to the cluster.
    ///
    /// # Errors
    /// If it does not take them.
    pub async fn define(&self) -> Result<()> {
        let file = self.definitions();
        kubectl(&["apply", "--server-side", "-f", &file]).await?;
        let established = "--for=condition=Established";
        kubectl(&["wait", established, "--timeout=30s", "-f", &file]).await?;
        Ok(())
    }

    /// Takes them away if they are there, and with them all objects of these kinds.
    ///
    /// # Errors
    /// If they do not go.
    pub async fn undefine(&self) -> Result<()> {
        let file = self.definitions();
        kubectl(&["delete", "--ignore-not-found", "--timeout=60s", "-f", &file]).await?;
        Ok(())
    }

    /// Starts the controllers for the scenario's namespace, with their log in this file. They end with the process.
    ///
    /// # Errors
    /// If they cannot be started.
    pub fn start(&self, s: &Scenario, log: &Path) -> Result<Child> {
        let controllers = Command::new(self.0.join("cert-manager"))
            .args(["--namespace", &s.namespace])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(log)?)
            .kill_on_drop(true)
            .spawn()?;
        Ok(controllers)
    }
}

/// The objects of one of its kinds in the scenario's namespace.
pub fn objects(s: &Scenario, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("cert-manager.io", "v1", kind);
    Api::namespaced_with(s.client(), &s.namespace, &ApiResource::from_gvk(&kind))
}
