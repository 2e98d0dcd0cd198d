//! Emptying a full outbox, beside a bare producer of the same records.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::Notify;
use user_adapter_memory::{Capacity, MemoryStorage};
use user_adapter_mongodb::MongoStorage;
use user_application::{
    Backoff, Outbox, OutboxRecord, PublishError, Relay, RelayError, RelayId, RelayObserver,
    RelayPolicy, Timer, UserRepository as _, Write,
};
use uuid::Uuid;

use crate::figures::rate;
use crate::servers::Servers;
use crate::writes::{create, new_user};

const EVENTS: usize = 20_000;
/// Fewer by way of the database, which has to be filled one transaction at a time.
const STORED_EVENTS: usize = 6_000;
/// What a relay has in hand at most, and takes at a time.
const IN_FLIGHT: usize = 2000;
const BATCH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

pub(crate) async fn run(servers: &Servers) -> Result<()> {
    println!("\nEmptying an outbox of events for as many users");
    let bare = producer(servers).await?;
    println!("  bare producer, {IN_FLIGHT} in flight      {bare:8.0} events/s");

    let memory = MemoryStorage::new(Capacity {
        users: EVENTS,
        pending_events: EVENTS,
        requests: 1,
    });
    for _ in 0..EVENTS {
        let (user, event) = new_user()?;
        memory.create(user, event, None, soon()).await?;
    }
    let embedded = emptied(memory, servers, EVENTS).await?;
    println!(
        "  relay from memory to Kafka       {embedded:8.0} events/s   ratio {:.2}",
        embedded / bare
    );

    let storage = servers.storage().await?;
    while storage.backlog().await?.pending > 0 {
        emptied(
            storage.clone(),
            servers,
            usize::try_from(storage.backlog().await?.pending)?,
        )
        .await?;
    }
    fill(&storage).await?;
    let reading = read(&storage).await?;
    let marking = mark(&storage).await?;
    println!("  the database alone: reading      {reading:8.0} events/s");
    println!("                      marking      {marking:8.0} events/s");
    fill(&storage).await?;
    let stored = emptied(storage, servers, STORED_EVENTS).await?;
    println!(
        "  relay from the database to Kafka {stored:8.0} events/s   ratio {:.2}, {:.2} of the slower of the two",
        stored / bare,
        stored / reading.min(marking)
    );
    Ok(())
}

async fn fill(storage: &MongoStorage) -> Result<()> {
    let filling = (0..STORED_EVENTS).map(|_| create(storage));
    let mut filling = futures::stream::iter(filling).buffer_unordered(32);
    while let Some(filled) = filling.next().await {
        filled?;
    }
    Ok(())
}

/// Events each second that the outbox gives, the same batch again and again.
async fn read(storage: &MongoStorage) -> Result<f64> {
    let start = Instant::now();
    let mut events = 0;
    while events < STORED_EVENTS {
        events += storage.pending(BATCH, &[]).await?.len();
    }
    Ok(rate(events, start.elapsed()))
}

/// Events each second that the outbox takes to be marked as sent; all of them.
async fn mark(storage: &MongoStorage) -> Result<f64> {
    let mut took = Duration::ZERO;
    let mut events = 0;
    loop {
        let batch = storage.pending(BATCH, &[]).await?;
        if batch.is_empty() {
            return Ok(rate(events, took));
        }
        let ids: Vec<_> = batch.iter().map(|record| record.event.id()).collect();
        let start = Instant::now();
        storage.acknowledge(&ids).await?;
        took += start.elapsed();
        events += ids.len();
    }
}

fn soon() -> Write {
    Write {
        deadline: Instant::now() + Duration::from_secs(30),
        trace: None,
    }
}

/// Events each second of a producer that is told what the publisher tells its own.
async fn producer(servers: &Servers) -> Result<f64> {
    let topic = format!("bench-{}", Uuid::new_v4().simple());
    servers.create_topic(&topic).await?;
    let producer: FutureProducer = servers.client().create()?;
    let value = [7_u8; 160];
    let send = |key: String| {
        let (producer, topic) = (&producer, &topic);
        async move {
            let record = FutureRecord::to(topic).key(&key).payload(&value[..]);
            let sent = producer.send(record, Duration::from_secs(10)).await;
            sent.map(drop).map_err(|(error, _)| error)
        }
    };
    // Connects first, as the relay has when it begins.
    send("first".to_owned()).await?;
    let start = Instant::now();
    let mut in_flight = FuturesUnordered::new();
    for number in 0..EVENTS {
        if in_flight.len() >= IN_FLIGHT
            && let Some(sent) = in_flight.next().await
        {
            sent?;
        }
        in_flight.push(send(format!("{}-{number}", Uuid::now_v7())));
    }
    while let Some(sent) = in_flight.next().await {
        sent?;
    }
    Ok(rate(EVENTS, start.elapsed()))
}

/// Events each second of a relay, from its first to its last acknowledgement.
async fn emptied<O: Outbox>(outbox: O, servers: &Servers, events: usize) -> Result<f64> {
    let count = Count::new(events);
    let relay = relay(outbox, servers.publisher().await?, count.clone());
    let start = Instant::now();
    let done = count.clone();
    relay.run(async move { done.all.notified().await }).await;
    Ok(rate(events, start.elapsed()))
}

pub(crate) fn relay<O: Outbox, P: user_application::EventPublisher, W: RelayObserver>(
    outbox: O,
    publisher: P,
    observer: W,
) -> Relay<O, P, Clockwork, W> {
    let policy = RelayPolicy {
        holder: RelayId(Uuid::new_v4()),
        lease: Duration::from_secs(15),
        publish_within: Duration::from_secs(10),
        attempts: 10,
        backoff: Backoff::default(),
    };
    Relay::new(outbox, publisher, Clockwork, observer, policy)
}

/// The runtime's timer. Chance is of no use here.
pub(crate) struct Clockwork;

impl Timer for Clockwork {
    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }

    fn jitter(&self, longest: Duration) -> Duration {
        longest
    }
}

/// Counts what is out, and says when all is.
#[derive(Clone)]
struct Count {
    left: Arc<Mutex<usize>>,
    all: Arc<Notify>,
}

impl Count {
    fn new(events: usize) -> Self {
        Self {
            left: Arc::new(Mutex::new(events)),
            all: Arc::new(Notify::new()),
        }
    }
}

impl RelayObserver for Count {
    fn leads(&self, _: Option<Instant>) {}

    fn acknowledged(&self, _: &OutboxRecord) {}

    fn published(&self, records: &[OutboxRecord]) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(records.len());
        if *left == 0 {
            self.all.notify_one();
        }
    }

    fn retrying(&self, error: &RelayError, _: Duration) {
        println!("  retrying: {error}");
    }

    fn buried(&self, record: &OutboxRecord, error: &PublishError) {
        println!("  given up: {} {error}", record.event.id());
    }
}
