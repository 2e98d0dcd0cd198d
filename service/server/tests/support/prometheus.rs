//! A real Prometheus that scrapes one address.

#![allow(unreachable_pub, reason = "as in the other files here")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::{soon, until};

/// How often it is started until it has its port.
const ATTEMPTS: usize = 5;

pub struct Prometheus {
    address: SocketAddr,
    folder: PathBuf,
    _process: Child,
}

impl Prometheus {
    /// Starts the one on the path, and waits until it answers.
    pub async fn scraping(target: SocketAddr) -> Self {
        let folder = std::env::temp_dir().join(format!("prometheus-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let jobs = format!(
            "scrape_configs: [{{job_name: users, scrape_interval: 1s, scrape_timeout: 1s, \
             static_configs: [{{targets: ['{target}']}}]}}]"
        );
        let file = folder.join("prometheus.yml");
        fs::write(&file, jobs).unwrap();
        for _ in 0..ATTEMPTS {
            // Prometheus does not tell which port it chose, so one is chosen for it. If somebody else takes it before
            // Prometheus does, that one ends.
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let mut process = start(&file, &folder, address);
            let ready = async || {
                ask(address, "/-/ready")
                    .await
                    .is_ok_and(|answer| is_ok(&answer))
            };
            tokio::select! {
                biased;
                _ = process.wait() => continue,
                () = until("Prometheus is ready", ready) => {}
            }
            return Self {
                address,
                folder,
                _process: process,
            };
        }
        panic!("Prometheus ended {ATTEMPTS} times before it was ready");
    }

    /// What its API answers under this path.
    pub async fn get(&self, path: &str) -> Value {
        let answer = soon(path, ask(self.address, &format!("/api/v1/{path}")))
            .await
            .unwrap();
        assert!(is_ok(&answer), "{path}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["data"].take()
    }

    /// The one value that this expression has; nothing if there is none yet.
    pub async fn value(&self, expression: &str) -> Option<String> {
        let found = self.get(&format!("query?query={expression}")).await;
        let value = &found["result"][0]["value"][1];
        value.as_str().map(ToOwned::to_owned)
    }
}

fn start(file: &Path, folder: &Path, address: SocketAddr) -> Child {
    Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.display()))
        .arg(format!("--web.listen-address={address}"))
        .args(["--enable-feature=exemplar-storage", "--log.level=warn"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("Prometheus is on the path: PATH=$(e2e/bed/prometheus.sh):$PATH")
}

/// An answer in HTTP/1.0, which comes in one piece.
async fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn is_ok(answer: &str) -> bool {
    answer.starts_with("HTTP/1.0 200")
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It lies among other temporary files otherwise.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
