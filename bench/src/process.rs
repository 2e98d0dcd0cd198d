//! A server under test, as a process of its own on one core.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::machine::{Cores, kibibytes};

/// A server that has not said by then where it serves will not.
const START_WITHIN: Duration = Duration::from_secs(10);
/// The same of one that has not told of itself by then.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// In which `/proc` counts, on every architecture that Linux shows to programs (`USER_HZ`, proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// A process that is killed when this is dropped, whatever happened.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// A line of memory in its status, such as `VmRSS`, in MiB.
    #[allow(clippy::cast_precision_loss, reason = "a figure to be shown")]
    pub(crate) fn mebibytes(&self, name: &str) -> Result<f64> {
        let status = format!("/proc/{}/status", self.0.id());
        Ok(kibibytes(&status, name)? as f64 / 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program lies that `make bench` builds: beside this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(
        path.exists(),
        "{} is not there: make bench builds it",
        path.display()
    );
    Ok(path)
}

/// What a program tells of itself on this port.
pub(crate) async fn metrics(admin: SocketAddr) -> Result<String> {
    tokio::time::timeout(ANSWER_WITHIN, async {
        let mut stream = TcpStream::connect(admin).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    })
    .await?
}

/// Ended when dropped.
pub(crate) struct Process {
    running: Running,
    pub(crate) address: SocketAddr,
    /// Where its metrics are, if it has any.
    pub(crate) admin: Option<SocketAddr>,
    /// From before it was spawned until it said that it serves.
    pub(crate) started_in: Duration,
}

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Program {
    /// Starts it on its core and waits until it serves.
    pub(crate) fn start(&self, cores: &Cores) -> Result<Process> {
        let start = Instant::now();
        let mut child = Command::new("taskset")
            .args(["--cpu-list", &cores.server])
            .arg(beside(self.name)?)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("taskset, of util-linux")?;
        let lines = lines(&mut child)?;
        // From here on it is ended whatever happens.
        let mut process = Process {
            running: Running(child),
            address: ([127, 0, 0, 1], 0).into(),
            admin: None,
            started_in: Duration::ZERO,
        };
        loop {
            let left = START_WITHIN.saturating_sub(start.elapsed());
            let line = lines
                .recv_timeout(left)
                .with_context(|| format!("{} does not serve", self.name))?;
            if let Some(address) = line.get("grpc_address").and_then(Value::as_str) {
                process.address = address.parse()?;
            }
            if let Some(address) = line.get("admin_address").and_then(Value::as_str) {
                process.admin = Some(address.parse()?);
            }
            if line.get("message").and_then(Value::as_str) == Some("serving") {
                process.started_in = start.elapsed();
                return Ok(process);
            }
        }
    }
}

/// What it logs as JSON, read to the end so that it is never held up; anything else is shown.
fn lines(child: &mut Child) -> Result<Receiver<Value>> {
    let stderr = child.stderr.take().context("standard error")?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                // Nobody listens any more once it serves.
                Ok(json) => drop(sender.send(json)),
                Err(_) => println!("  {line}"),
            }
        }
    });
    Ok(receiver)
}

impl Process {
    /// CPU time that it has used, in user and in kernel.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.running.0.id()))?;
        // The name of the program may have blanks in it, and is the last to have a bracket (proc(5)).
        let (_, fields) = stat.rsplit_once(')').context("a stat without a name")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: Vec<u32> = ticks.map(str::parse).collect::<Result<_, _>>()?;
        Ok(TICK * ticks.iter().sum())
    }

    /// As [`Running::mebibytes`].
    pub(crate) fn mebibytes(&self, name: &str) -> Result<f64> {
        self.running.mebibytes(name)
    }
}
