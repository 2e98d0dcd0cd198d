//! Calls that go on by TLS while a test changes something.

#![allow(unreachable_pub, reason = "as in the other files here")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use crate::support::until;
use crate::tls::{call, check, connect};

/// Calls on long connections and on ever new ones, until asked what failed.
pub struct Load {
    client: Arc<Mutex<ClientConfig>>,
    stop: CancellationToken,
    tasks: JoinSet<Vec<String>>,
    /// Of each task, those that have ended.
    calls: Vec<Arc<AtomicUsize>>,
}

impl Load {
    pub async fn start(address: SocketAddr, client: ClientConfig) -> Self {
        let mut load = Self {
            client: Arc::new(Mutex::new(client.clone())),
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
            calls: Vec::new(),
        };
        for _ in 0..4 {
            let channel = connect(address, &client).await.unwrap();
            load.repeat(move || {
                let channel = channel.clone();
                async move { check(&channel).await }
            });
        }
        for _ in 0..4 {
            let client = Arc::clone(&load.client);
            load.repeat(move || {
                let client = client.lock().unwrap().clone();
                async move { call(address, &client).await }
            });
        }
        load
    }

    fn repeat<F: Future<Output = Result<(), String>> + Send + 'static>(
        &mut self,
        mut call: impl FnMut() -> F + Send + 'static,
    ) {
        let calls = Arc::new(AtomicUsize::new(0));
        self.calls.push(Arc::clone(&calls));
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let mut failures = Vec::new();
            while !stop.is_cancelled() {
                failures.extend(call().await.err());
                calls.fetch_add(1, Ordering::Relaxed);
            }
            failures
        });
    }

    /// From now on, new connections are made by this one.
    pub fn change(&self, client: ClientConfig) {
        *self.client.lock().unwrap() = client;
    }

    /// Waits until every task began ten calls after now, and they ended.
    pub async fn goes_on(&self) {
        let count = |calls: &Arc<AtomicUsize>| calls.load(Ordering::Relaxed);
        let before: Vec<usize> = self.calls.iter().map(count).collect();
        until("calls of every task", || async {
            self.calls
                .iter()
                .zip(&before)
                .all(|(calls, before)| count(calls) > before + 10)
        })
        .await;
    }

    pub async fn all_succeeded(self) {
        self.goes_on().await;
        self.stop.cancel();
        for failures in self.tasks.join_all().await {
            assert_eq!(failures, Vec::<String>::new());
        }
    }
}
