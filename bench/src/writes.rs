//! Creating users, beside the same two inserts by the bare driver.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use futures::future::try_join_all;
use mongodb::bson::doc;
use mongodb::options::{Acknowledgment, ReadConcern, WriteConcern};
use mongodb::{Client, Database};
use user_adapter_mongodb::MongoStorage;
use user_application::{UserRepository as _, Write};
use user_domain::{Email, EventId, User, UserId, UserName};
use uuid::Uuid;

use crate::figures::{Latencies, rate};
use crate::servers::{Servers, database};

const CALLERS: [usize; 3] = [1, 8, 32];
/// Of each kind, in turns of a tenth, so that both see the same moods of the machine.
const CALLS: usize = 5000;
const TURNS: usize = 10;

pub(crate) async fn run(servers: &Servers) -> Result<()> {
    println!(
        "\nCreating a user: one transaction of user and event, by the adapter and by the bare driver"
    );
    let storage = servers.storage().await?;
    let client = Client::with_uri_str(&servers.uri).await?;
    let bare = client.database(&format!("{}_bare", database()));
    for name in ["users", "outbox"] {
        bare.create_collection(name)
            .write_concern(majority())
            .await?;
    }
    for callers in CALLERS {
        let mut ours = Measured::new()?;
        let mut theirs = Measured::new()?;
        // Connections are made before anything is measured.
        let mut warm_up = Measured::new()?;
        warm_up.turn(callers, 2, |_| create(&storage)).await?;
        warm_up
            .turn(callers, 2, |_| transaction(&client, &bare))
            .await?;
        for _ in 0..TURNS {
            let each = CALLS / TURNS / callers + 1;
            ours.turn(callers, each, |_| create(&storage)).await?;
            theirs
                .turn(callers, each, |_| transaction(&client, &bare))
                .await?;
        }
        println!("{callers:3} callers  adapter      {}", ours.shown());
        println!("             bare driver  {}", theirs.shown());
        println!(
            "             ratio of rates {:.2}, p99 {:+.2} ms",
            ours.rate() / theirs.rate(),
            ours.latencies.quantile_ms(0.99) - theirs.latencies.quantile_ms(0.99)
        );
    }
    bare.drop().write_concern(majority()).await?;
    Ok(())
}

struct Measured {
    latencies: Latencies,
    calls: usize,
    took: Duration,
}

impl Measured {
    fn new() -> Result<Self> {
        Ok(Self {
            latencies: Latencies::new()?,
            calls: 0,
            took: Duration::ZERO,
        })
    }

    /// So many callers at the same time, so many calls each.
    async fn turn<F: Future<Output = Result<()>>>(
        &mut self,
        callers: usize,
        each: usize,
        call: impl Fn(usize) -> F,
    ) -> Result<()> {
        let start = Instant::now();
        let call = &call;
        let latencies = try_join_all((0..callers).map(|caller| async move {
            let mut took = Vec::with_capacity(each);
            for _ in 0..each {
                let start = Instant::now();
                call(caller).await?;
                took.push(start.elapsed());
            }
            anyhow::Ok(took)
        }));
        for took in latencies.await?.into_iter().flatten() {
            self.latencies.add(took);
            self.calls += 1;
        }
        self.took += start.elapsed();
        Ok(())
    }

    fn rate(&self) -> f64 {
        rate(self.calls, self.took)
    }

    fn shown(&self) -> String {
        format!("{:6.0}/s   {}", self.rate(), self.latencies.shown())
    }
}

/// A new user with its event.
pub(crate) fn new_user() -> Result<(User, user_domain::UserEvent)> {
    let id = Uuid::now_v7();
    let millis = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_millis();
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis)?);
    let name = UserName::parse("Ada Lovelace")?;
    let email = Email::parse(&format!("{}@example.com", id.simple()))?;
    Ok(User::create(
        UserId::new(id),
        EventId::new(Uuid::now_v7()),
        name,
        email,
        now,
    ))
}

pub(crate) async fn create(storage: &MongoStorage) -> Result<()> {
    let (user, event) = new_user()?;
    let write = Write {
        deadline: Instant::now() + Duration::from_secs(30),
        trace: None,
    };
    storage.create(user, event, None, write).await?;
    Ok(())
}

async fn transaction(client: &Client, database: &Database) -> Result<()> {
    let id = Uuid::now_v7().simple().to_string();
    let now = mongodb::bson::DateTime::now();
    let user = doc! {"_id": &id, "name": "Ada Lovelace", "email": format!("{id}@example.com"), "create_time": now, "version": 1_i64};
    let event = doc! {"_id": Uuid::now_v7().simple().to_string(), "aggregateid": &id, "type": "user.created", "payload": user.clone(), "state": "pending"};
    let mut session = client.start_session().await?;
    session
        .start_transaction()
        .read_concern(ReadConcern::snapshot())
        .write_concern(majority())
        .await?;
    for (name, document) in [("users", user), ("outbox", event)] {
        let collection = database.collection(name);
        collection
            .insert_one(document)
            .session(&mut session)
            .await?;
    }
    session.commit_transaction().await?;
    Ok(())
}

fn majority() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build()
}
