//! What the figures were measured on.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};

/// Says what the machine is, and how busy it is with other things.
pub(crate) fn show() -> Result<()> {
    let cpu = field("/proc/cpuinfo", "model name")?;
    let memory = kibibytes("/proc/meminfo", "MemTotal")? / 1024 / 1024;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    println!(
        "machine: {cpu}, {} cores, {memory} GiB, Linux {}; load before the run {}",
        cores(),
        kernel.trim(),
        load.split(' ').take(3).collect::<Vec<_>>().join(" ")
    );
    Ok(())
}

/// Of the machine, whatever is left to this process by now.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

/// The value after `name:` in a file of the kernel.
pub(crate) fn field(file: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
        .with_context(|| format!("{file} has no {name}"))
}

/// The same, of memory.
pub(crate) fn kibibytes(file: &str, name: &str) -> Result<u64> {
    let value = field(file, name)?;
    let number = value.strip_suffix(" kB").context("not in kB")?;
    Ok(number.trim().parse()?)
}

/// Which core the server under test has for itself, and which are left to the generator.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    pub(crate) server: String,
    generator: String,
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, generator } = self;
        write!(f, "server on core {server}, generator on {generator}")
    }
}

impl Cores {
    /// The last core is the server's. Where there is but one, both share it.
    pub(crate) fn split() -> Self {
        match cores() {
            0 | 1 => Self {
                server: "0".to_owned(),
                generator: "0".to_owned(),
            },
            cores => Self {
                server: (cores - 1).to_string(),
                generator: format!("0-{}", cores - 2),
            },
        }
    }

    /// Takes the calling process, threads that it has by now included, off the server's core.
    pub(crate) fn keep_to_the_generators(&self) -> Result<()> {
        let process = std::process::id().to_string();
        let status = Command::new("taskset")
            .args([
                "--all-tasks",
                "--pid",
                "--cpu-list",
                &self.generator,
                &process,
            ])
            .stdout(Stdio::null())
            .status()
            .context("taskset, of util-linux")?;
        anyhow::ensure!(status.success(), "taskset: {status}");
        Ok(())
    }
}
