//! Signals to processes in pods, which no API sends.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::process::Command;

/// Sends a signal to the processes of a pod whose name begins with `program`.
///
/// Nodes are containers of the bed's engine; a process is known by the pod's UID in its control group.
///
/// # Errors
/// If no such process is there to take it.
pub async fn signal(pod: &Pod, program: &str, signal: &str) -> Result<()> {
    let uid = pod.uid().context("the pod has a UID")?.replace('-', "_");
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let script = format!(
        r#"found=1
        for process in /proc/[0-9]*; do
            if grep -qE '{uid}|{}' "$process/cgroup" && grep -q '^{program}' "$process/comm"; then
                kill -{signal} "${{process#/proc/}}" && found=0
            fi
        done 2>/dev/null
        exit $found"#,
        uid.replace('_', "-")
    );
    let output = Command::new("docker")
        .args([
            "exec",
            &node.context("the pod has a node")?,
            "sh",
            "-c",
            &script,
        ])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("docker exec")?;
    ensure!(
        output.status.success(),
        "no process of pod {} takes SIG{signal}: {}",
        pod.name_any(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
