//! The binary's commands against the servers that `TEST_MONGODB_URI` and `TEST_REGISTRY_URL` name: what they print, and
//! what they end with. `make integration` runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/collector.rs"]
mod collector;
mod connections;
mod credentials;
mod dead_letters;
mod disconnects;
#[path = "../support/http2.rs"]
mod http2;
#[path = "../support/leaving.rs"]
mod leaving;
mod migrations;
#[path = "../support/personal.rs"]
mod personal;
mod personal_data;
#[path = "../support/process.rs"]
mod process;
mod refusals;
mod schemas;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tls.rs"]
mod tls;

use std::path::PathBuf;

use mongodb::Client;
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern};
use process::Process;
use support::soon;
use tokio::process::Command;
use user_settings::exit_code;
use uuid::Uuid;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}; make integration does"))
}

/// What a command came to.
struct Done {
    exit_code: u8,
    stdout: String,
    stderr: String,
}

impl Done {
    /// The lines that it printed, if it succeeded.
    fn lines(&self) -> Vec<&str> {
        assert_eq!(self.exit_code, exit_code::OK, "{}", self.stderr);
        self.stdout.lines().collect()
    }

    /// That it failed so, and why in its words.
    fn refused(&self, exit_code: u8, why: &str) {
        assert_eq!(self.exit_code, exit_code, "{}", self.stderr);
        assert!(self.stderr.contains(why), "{why} in {}", self.stderr);
    }
}

async fn run(arguments: &[&str], vars: &[(&str, &str)]) -> Done {
    let command = Command::new(env!("CARGO_BIN_EXE_user-service"))
        .args(arguments)
        .env_clear()
        .envs(vars.iter().copied())
        .kill_on_drop(true)
        .output();
    let output = soon("the command", command).await.expect("it starts");
    Done {
        exit_code: u8::try_from(output.status.code().expect("no signal")).unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What a server ends with that does not come to serve, and what it says.
async fn refuses(vars: &[(&str, &str)]) -> Done {
    let mut server = Process::spawn(vars);
    let exit_code = server.exit_code().await;
    Done {
        exit_code: u8::try_from(exit_code).unwrap(),
        stdout: String::new(),
        stderr: server.log(),
    }
}

/// Comes to serve, and ends as it is asked to.
async fn serves(vars: &[(&str, &str)]) {
    let mut server = Process::spawn(vars);
    server.serving().await;
    server.signal("TERM").await;
    assert_eq!(server.exit_code().await, i32::from(exit_code::OK));
}

/// A database of its own for a test, gone at its end, and the settings that lead to it.
struct Database {
    name: String,
    uri_file: PathBuf,
}

impl Database {
    fn new() -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let uri_file = std::env::temp_dir().join(&name);
        std::fs::write(&uri_file, variable("TEST_MONGODB_URI")).unwrap();
        Self { name, uri_file }
    }

    fn vars(&self) -> [(&str, &str); 4] {
        [
            ("USERSVC_STORAGE", "mongodb"),
            ("USERSVC_MONGODB_URI_FILE", self.uri_file.to_str().unwrap()),
            ("USERSVC_MONGODB_DATABASE", &self.name),
            ("USERSVC_DRAIN_DELAY", "0s"),
        ]
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        run(arguments, &self.vars()).await
    }

    /// Past the service.
    async fn open(&self) -> mongodb::Database {
        let mut options = ClientOptions::parse(variable("TEST_MONGODB_URI"))
            .await
            .unwrap();
        let strong = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        options.write_concern = Some(strong);
        options.read_concern = Some(ReadConcern::majority());
        Client::with_options(options).unwrap().database(&self.name)
    }

    async fn remove(self) {
        self.open().await.drop().await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.uri_file);
    }
}
