//! From the commit of an event to its acknowledgement by the broker, at several rates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use user_application::{
    OutboxRecord, PublishError, RelayError, RelayObserver, UserRepository as _, Write,
};
use user_domain::EventId;

use crate::figures::Latencies;
use crate::outbox::relay;
use crate::servers::Servers;
use crate::writes::new_user;

const RATES: [u32; 5] = [20, 50, 100, 500, 1_000];
const EACH: Duration = Duration::from_secs(10);

pub(crate) async fn run(servers: &Servers) -> Result<()> {
    println!("\nFrom commit to acknowledgement by the broker, open loop");
    for rate in RATES {
        let seen = Seen::default();
        let storage = servers.storage().await?;
        let publisher = servers.publisher().await?;
        let running = relay(storage.clone(), publisher, seen.clone());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            running
                .run(async {
                    let _ = stopped.await;
                })
                .await;
        });
        let commits = commits(&storage, rate).await?;
        let mut latencies = Latencies::new()?;
        for (event, committed) in commits {
            let acknowledged = seen
                .when(event)
                .await
                .context("an event was not published")?;
            latencies.add(acknowledged.saturating_duration_since(committed));
        }
        let _ = stop.send(());
        running.await?;
        println!("  {rate:5}/s  {}", latencies.shown());
    }
    Ok(())
}

/// Creates users at this rate, each when it is due however long those before it take; when each was committed.
async fn commits(
    storage: &user_adapter_mongodb::MongoStorage,
    rate: u32,
) -> Result<Vec<(EventId, Instant)>> {
    let start = tokio::time::Instant::now();
    let count = rate * u32::try_from(EACH.as_secs())?;
    try_join_all((0..count).map(|number| async move {
        tokio::time::sleep_until(start + Duration::from_secs(1) * number / rate).await;
        let (user, event) = new_user()?;
        let id = event.id();
        let write = Write {
            deadline: Instant::now() + Duration::from_secs(30),
            trace: None,
        };
        storage.create(user, event, None, write).await?;
        anyhow::Ok((id, Instant::now()))
    }))
    .await
}

/// When each event was acknowledged.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HashMap<EventId, Instant>>>);

impl Seen {
    async fn when(&self, event: EventId) -> Option<Instant> {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            let found = self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&event)
                .copied();
            if found.is_some() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }
}

impl RelayObserver for Seen {
    fn leads(&self, _: Option<Instant>) {}

    fn acknowledged(&self, record: &OutboxRecord) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(record.event.id(), Instant::now());
    }

    fn published(&self, _: &[OutboxRecord]) {}

    fn retrying(&self, error: &RelayError, _: Duration) {
        println!("  retrying: {error}");
    }

    fn buried(&self, record: &OutboxRecord, error: &PublishError) {
        println!("  given up: {} {error}", record.event.id());
    }
}
