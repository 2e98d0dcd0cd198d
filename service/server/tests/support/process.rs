//! The binary as a process of its own.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::support::{soon, until};

/// The binary, with all it prints.
pub struct Process {
    pub child: Child,
    pub stdout: Output,
    pub stderr: Output,
}

/// Lines as they come.
pub struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    pub reader: JoinHandle<()>,
}

impl Output {
    fn of(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut source = BufReader::new(stream).lines();
        let reader = tokio::spawn({
            let lines = Arc::clone(&lines);
            async move {
                while let Ok(Some(line)) = source.next_line().await {
                    lines.lock().unwrap().push(line);
                }
            }
        });
        Self { lines, reader }
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub fn json(&self) -> Vec<serde_json::Value> {
        self.lines()
            .iter()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }
}

impl Process {
    pub fn spawn(vars: &[(&str, &str)]) -> Self {
        Self::spawn_by(&[], vars)
    }

    /// By this command, which takes the binary as its last argument.
    pub fn spawn_by(command: &[&str], vars: &[(&str, &str)]) -> Self {
        let mut words = command.to_vec();
        words.push(env!("CARGO_BIN_EXE_user-service"));
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USERSVC_GRPC_ADDRESS", "127.0.0.1:0")
            .env("USERSVC_ADMIN_ADDRESS", "127.0.0.1:0")
            .envs(vars.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits until it serves, and tells where.
    pub async fn serving(&self) -> (SocketAddr, SocketAddr) {
        until("serving", || async {
            self.stderr
                .json()
                .iter()
                .any(|line| line["message"] == "serving")
        })
        .await;
        (self.address("grpc_address"), self.address("admin_address"))
    }

    /// Waits until it has its ports, which it may long before it serves.
    pub async fn admin(&self) -> SocketAddr {
        until("starting", || async {
            self.log().contains("admin_address")
        })
        .await;
        self.address("admin_address")
    }

    fn address(&self, field: &str) -> SocketAddr {
        let log = self.stderr.json();
        let start = log
            .iter()
            .find(|line| line["message"] == "starting")
            .expect("logs the start");
        start[field].as_str().unwrap().parse().unwrap()
    }

    pub fn log(&self) -> String {
        self.stderr.lines().join("\n")
    }

    pub async fn signal(&self, name: &str) {
        let process = self.child.id().expect("still runs").to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &process])
            .status()
            .await;
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for the end: the exit code, once everything printed is read.
    pub async fn exit_code(&mut self) -> i32 {
        let status = soon("the end", self.child.wait()).await.unwrap();
        soon("standard output", &mut self.stdout.reader)
            .await
            .unwrap();
        soon("standard error", &mut self.stderr.reader)
            .await
            .unwrap();
        status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {:?}", self.stderr.lines()))
    }
}
