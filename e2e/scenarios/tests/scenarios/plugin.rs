//! `kubectl userservice`, as kubectl runs it.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{core::v1::Secret, rbac::v1::RoleBinding};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use scenarios::{
    Scenario,
    backing::{CONNECTION, DATABASE, connect_to, durable},
    wait::{Seen, until},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines},
    process::Command,
    time::timeout,
};

use crate::scenario;

/// Bound of one command.
const COMMAND: Duration = Duration::from_secs(60);

/// The plugin beside the tests, which `make e2e` builds first.
fn plugin_folder() -> Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let folder = tests
        .ancestors()
        .nth(2)
        .context("a target folder")?
        .to_owned();
    ensure!(
        folder.join("kubectl-userservice").exists(),
        "cargo build -p kubectl-userservice comes first"
    );
    Ok(folder)
}

fn command(s: &Scenario, arguments: &[&str]) -> Result<Command> {
    let path = std::env::var("PATH")?;
    let mut command = Command::new("kubectl");
    command
        .args(["userservice", "--namespace", &s.namespace])
        .args(arguments)
        .env("PATH", format!("{}:{path}", plugin_folder()?.display()))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

async fn plugin(s: &Scenario, arguments: &[&str]) -> Result<Output> {
    let output = command(s, arguments)?.output();
    Ok(timeout(COMMAND, output).await??)
}

/// What it prints, where it succeeds.
pub(crate) async fn told(s: &Scenario, arguments: &[&str]) -> Result<String> {
    let output = plugin(s, arguments).await?;
    ensure!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn status_shows_children_and_pods_and_diff_says_what_somebody_else_changed() {
    scenario("plugin-status", async |s| {
        s.ready_with(json!({})).await?;
        let status = told(s, &["status", "users"]).await?;
        for part in [
            "UserService users",
            "ready Available",
            "Deployment users  2 of 2",
            "Pod users-",
        ] {
            ensure!(status.contains(part), "{part} in {status}");
        }
        let json: Value = serde_json::from_str(&told(s, &["status", "-o", "json"]).await?)?;
        ensure!(json[0]["availableReplicas"] == 2, "{json}");
        let diff = told(s, &["diff", "users"]).await?;
        ensure!(diff.contains("nothing to do"), "{diff}");
        let none = plugin(s, &["status", "nobody"]).await?;
        ensure!(none.status.code() == Some(2), "{none:?}");
        Ok(())
    })
    .await;
}

/// Reads on until a pod says something that holds this.
async fn says(lines: &mut Lines<impl AsyncBufRead + Unpin>, pod: &str, part: &str) -> Result<()> {
    let prefix = format!("[pod/{pod}/user-service] ");
    loop {
        let line = lines.next_line().await?.context("logs are followed on")?;
        if line.starts_with(&prefix) && line.contains(part) {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn pods_are_restarted_and_scaled_and_their_logs_read() {
    scenario("plugin-work", async |s| {
        s.ready_with(json!({"replicas": 1})).await?;
        let before = s.pod_uids().await?;
        let mut following = command(s, &["logs", "users", "--follow"])?
            .stdout(Stdio::piped())
            .spawn()?;
        let mut followed = BufReader::new(following.stdout.take().context("its output")?).lines();
        let first = s.pods().await?.remove(0).name_any();
        timeout(COMMAND, says(&mut followed, &first, "serving")).await??;
        told(s, &["restart", "users"]).await?;
        until("another pod runs", Duration::from_secs(90), || async {
            let now = s.pod_uids().await?;
            let replaced = now.len() == 1 && now != before;
            Ok(Seen::when(replaced, (), &now))
        })
        .await?;
        s.ready().await?;
        let second = s.pods().await?.remove(0).name_any();
        timeout(COMMAND, says(&mut followed, &second, "serving")).await??;
        let diff = told(s, &["diff", "users"]).await?;
        ensure!(
            diff.contains("nothing to do"),
            "a restart is no drift: {diff}"
        );
        told(s, &["scale", "users", "--replicas", "2"]).await?;
        s.ready().await?;
        ensure!(s.pods().await?.len() == 2, "scaled");
        let logs = told(s, &["logs", "users"]).await?;
        ensure!(
            logs.contains("starting") && logs.contains("[pod/users-"),
            "{logs}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn topics_and_dead_letters_are_listed_and_a_report_holds_no_secret() {
    scenario("plugin-report", async |s| {
        connect_to(s, DATABASE).await?;
        s.ready_with(durable(s)).await?;
        let topics = told(s, &["topics", "users"]).await?;
        ensure!(
            topics.contains("user.created")
                && topics.contains("created by this resource")
                && topics.contains("TopicsInPlace"),
            "{topics}"
        );
        let dlq = plugin(s, &["dlq", "users", "list"]).await?;
        ensure!(dlq.status.success(), "{dlq:?}");

        let planted = [
            "planted-in-a-secret",
            "ada.planted@example.com",
            "planted-password",
        ];
        let secrets: Api<Secret> = Api::namespaced(s.client(), &s.namespace);
        let secret = json!({"stringData": {"extra": planted[0]}});
        secrets
            .patch(CONNECTION, &PatchParams::default(), &Patch::Merge(secret))
            .await?;
        let notes = json!({"metadata": {"annotations": {
            "note": format!("{} asked; password={} or {}", planted[1], planted[2], planted[0]),
        }}});
        s.resources()
            .patch("users", &PatchParams::default(), &Patch::Merge(notes))
            .await?;
        let file = std::env::temp_dir().join(format!("{}.tar", s.namespace));
        let path = file.to_str().context("a path")?;
        told(s, &["report", "users", "--file", path]).await?;
        let bytes = std::fs::read(&file)?;
        std::fs::remove_file(&file)?;
        let text = String::from_utf8_lossy(&bytes);
        for secret in planted.into_iter().chain([DATABASE]) {
            ensure!(!text.contains(secret), "{secret} is in the report");
        }
        for part in [
            "userservice.yaml",
            "kind: UserService",
            "asked; password=",
            "logs/users-",
        ] {
            ensure!(text.contains(part), "{part} is not in the report");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn who_may_only_look_can_look_and_is_told_which_permission_is_missing() {
    scenario("plugin-rights", async |s| {
        s.ready_with(json!({"replicas": 1})).await?;
        let bindings: Api<RoleBinding> = Api::namespaced(s.client(), &s.namespace);
        let binding = serde_json::from_value(json!({
            "metadata": {"name": "viewer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer"}],
        }))?;
        bindings.create(&PostParams::default(), &binding).await?;
        let as_viewer = ["status", "users", "--as", "viewer"];
        until("the viewer may look", Duration::from_secs(30), || async {
            let output = plugin(s, &as_viewer).await?;
            Ok(Seen::when(output.status.success(), (), output))
        })
        .await?;
        let status = told(s, &as_viewer).await?;
        ensure!(status.contains("Pod users-") && !status.contains("permission"), "{status}");
        let refused = plugin(s, &["restart", "users", "--as", "viewer"]).await?;
        let why = String::from_utf8_lossy(&refused.stderr);
        ensure!(refused.status.code() == Some(2), "{refused:?}");
        ensure!(
            why.contains("a permission is missing") && why.contains("cannot patch resource \"deployments\""),
            "{why}"
        );
        Ok(())
    })
    .await;
}
