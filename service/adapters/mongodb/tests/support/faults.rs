//! The proxy that breaks calls.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use user_adapter_mongodb::{MongoStorage, StorageOptions};

use super::{connect, options, storage_with, uri, variable};

/// The proxy has one set of rules for all.
static TURN: Mutex<()> = Mutex::const_new(());

/// Rules in force while this test has its turn.
pub(crate) struct Faults {
    control: String,
    _turn: MutexGuard<'static, ()>,
}

/// One database by two ways.
pub(crate) struct Ways {
    /// Past the proxy.
    pub(crate) straight: MongoStorage,
    /// Through it.
    pub(crate) broken: MongoStorage,
    pub(crate) faults: Faults,
}

/// Both ways to an empty storage; nothing is broken yet.
pub(crate) async fn ways() -> Ways {
    ways_with(options()).await
}

/// The same, with these options.
pub(crate) async fn ways_with(options: StorageOptions) -> Ways {
    let turn = TURN.lock().await;
    let control = variable("TEST_MONGODB_FAULTS_CONTROL");
    let faults = Faults {
        control: control.trim_start_matches("http://").to_owned(),
        _turn: turn,
    };
    faults.set(json!([])).await;
    let straight = storage_with(&uri(), options.clone()).await;
    let broken = connect(&variable("TEST_MONGODB_FAULTS_URI"), options).await;
    // A call with a short deadline is not to spend it on the way there.
    broken.ping().await.unwrap();
    Ways {
        straight,
        broken,
        faults,
    }
}

impl Faults {
    /// Puts these rules in place of those in force.
    pub(crate) async fn set(&self, rules: Value) {
        self.ask("PUT", &rules.to_string()).await;
    }

    /// How many calls each rule was about.
    pub(crate) async fn calls(&self) -> Vec<u64> {
        let seen: Value = serde_json::from_str(&self.ask("GET", "").await).unwrap();
        let rules = seen.as_array().unwrap();
        rules
            .iter()
            .map(|rule| rule["calls"].as_u64().unwrap())
            .collect()
    }

    /// Breaks nothing any more; what was to break has to have done so.
    pub(crate) async fn clear(&self) {
        let seen: Value = serde_json::from_str(&self.ask("GET", "").await).unwrap();
        for rule in seen.as_array().unwrap() {
            assert_ne!(rule["hits"], 0, "never broke: {rule}");
        }
        self.set(json!([])).await;
    }

    async fn ask(&self, method: &str, body: &str) -> String {
        let request = format!(
            "{method} /faults HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.control,
            body.len()
        );
        let mut connection = TcpStream::connect(&self.control).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        body.to_owned()
    }
}
