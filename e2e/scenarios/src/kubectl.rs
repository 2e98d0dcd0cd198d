//! What people type.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::cluster::OPERATOR_NAMESPACE;

/// Bound of what Helm does once.
pub const HELM: Duration = Duration::from_secs(150);

/// What kubectl prints.
///
/// # Errors
/// What it says, if it fails.
pub async fn kubectl(arguments: &[&str]) -> Result<String> {
    told("kubectl", arguments).await
}

/// What Helm prints, of the operator's namespace.
///
/// # Errors
/// As [`kubectl`], or if it takes longer than [`HELM`].
pub async fn helm(arguments: &[&str]) -> Result<String> {
    let arguments = [&["--namespace", OPERATOR_NAMESPACE], arguments].concat();
    tokio::time::timeout(HELM, told("helm", &arguments)).await?
}

async fn told(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| program.to_owned())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{program} {}: {said}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}
