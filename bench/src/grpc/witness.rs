//! A second witness: h2load of nghttp2, which shares nothing with the generator of ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use uuid::Uuid;

use super::contenders::Contender;
use crate::figures::median;
use crate::machine::Cores;
use crate::process::Process;

/// As many as ours has in flight, on as many connections.
const ON_EACH_CONNECTION: &str = "8";
const CONNECTIONS: &str = "8";
const CALLS: u32 = 20_000;
const TURNS: usize = 3;

/// `GetUser` on the servers of `contenders`, the first of which is ours, in turns.
pub(super) async fn run(contenders: &[Contender], cores: &Cores) -> Result<()> {
    if Command::new("h2load").arg("--version").output().is_err() {
        println!("No second witness: h2load is not there (Debian: nghttp2-client)");
        return Ok(());
    }
    let mut all = vec![vec![]; contenders.len()];
    for _ in 0..TURNS {
        for (contender, rates) in contenders.iter().zip(&mut all) {
            rates.push(turn(contender, cores).await?);
        }
    }
    println!("GetUser by h2load");
    let rates: Vec<f64> = all.iter().map(|rates| median(rates)).collect();
    let ours = rates.first().copied().unwrap_or_default();
    for (contender, rate) in contenders.iter().zip(rates) {
        println!(
            "  {:12}  {rate:6.0}/s for a core; ours beside it {:.2}",
            contender.name,
            ours / rate
        );
    }
    Ok(())
}

/// Calls for each second of CPU time of the server.
async fn turn(contender: &Contender, cores: &Cores) -> Result<f64> {
    let (process, client) = contender.start(cores).await?;
    let client = client.with_users(0..1).await?;
    let user_id = client.users().first().context("one was created")?;
    let message = File::with(&request(user_id)?)?;
    // An answer names the user, and so is no shorter than the question.
    let least = message.length;
    // The first one warms the server up.
    call(&process, &message.path, least)?;
    let took = call(&process, &message.path, least)?;
    Ok(f64::from(CALLS) / took.as_secs_f64())
}

/// Gone with its value.
struct File {
    path: PathBuf,
    length: u64,
}

impl File {
    fn with(bytes: &[u8]) -> Result<Self> {
        let file = Self {
            path: std::env::temp_dir().join(format!("bench-{}", Uuid::new_v4())),
            length: u64::try_from(bytes.len())?,
        };
        std::fs::write(&file.path, bytes)?;
        Ok(file)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A `GetUserRequest` as it is sent: not compressed, its length, and its first field, a string.
fn request(user_id: &str) -> Result<Vec<u8>> {
    let length = u8::try_from(user_id.len())?;
    let mut framed = vec![0, 0, 0, 0, length + 2, 0x0a, length];
    framed.extend(user_id.as_bytes());
    Ok(framed)
}

/// CPU time of the server for so many calls, each answered by a message of so many bytes at least.
fn call(process: &Process, message: &Path, least: u64) -> Result<Duration> {
    let before = process.cpu()?;
    let done = Command::new("h2load")
        .args(["--requests", &CALLS.to_string()])
        .args(["--clients", CONNECTIONS])
        .args(["--max-concurrent-streams", ON_EACH_CONNECTION])
        .args(["--header", "content-type: application/grpc"])
        .args(["--header", "te: trailers"])
        .arg("--data")
        .arg(message)
        .arg(format!(
            "http://{}/user.v1.UserService/GetUser",
            process.address
        ))
        .output()?;
    let said = String::from_utf8_lossy(&done.stdout);
    // An error is a success by HTTP, and has no message.
    let is_answered = said.contains(&format!(" {CALLS} succeeded,"))
        && data(&said).is_some_and(|bytes| bytes >= u64::from(CALLS) * least);
    anyhow::ensure!(is_answered, "h2load: {said}");
    Ok(process.cpu()?.saturating_sub(before))
}

/// Bytes of messages, of a line such as `traffic: 1.29MB (1350400) total, 58.7KB (60100) headers (…), 957KB (980000) data`.
fn data(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.starts_with("traffic: "))?;
    let (before, _) = line.rsplit_once(") data")?;
    before.rsplit_once('(')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::data;

    #[test]
    fn bytes_of_messages_are_found_in_what_h2load_says() {
        let said = "requests: 2 total, 2 succeeded, 0 failed\n\
            traffic: 1.29MB (1350400) total, 58.7KB (60100) headers (space savings 91.10%), 957.0KB (980000) data\n";
        assert_eq!(data(said), Some(980_000));
        assert_eq!(data("finished in 1.00s"), None);
    }
}
