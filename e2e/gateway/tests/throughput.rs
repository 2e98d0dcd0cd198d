//! How many transactions a second go through. It measures and proves nothing, so it runs only when asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers fail the test"
)]

mod support;

use std::time::Instant;

use mongodb::bson::doc;
use mongodb::{Client, Database};
use support::{TRANSIENT, begin, client, code, count, database};

const TRANSACTIONS: i32 = 400;

async fn work(client: Client, database: Database, worker: i32, transactions: i32) {
    let (users, outbox) = (database.collection("users"), database.collection("outbox"));
    let mut session = client.start_session().await.unwrap();
    for number in 0..transactions {
        let id = format!("{worker}-{number}");
        begin(&mut session).await;
        let user = doc! { "_id": &id, "email": &id };
        users.insert_one(user).session(&mut session).await.unwrap();
        let event = doc! { "_id": &id, "state": "new" };
        outbox
            .insert_one(event)
            .session(&mut session)
            .await
            .unwrap();
        session.commit_transaction().await.unwrap_or_else(|error| {
            let transient = error.contains_label(TRANSIENT);
            panic!("{} {transient}: {error}", code(&error))
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn transactions_a_second() {
    let client = client().await;
    for workers in [1, 8, 32] {
        let database = database(&client, "throughput").await;
        database.create_collection("users").await.unwrap();
        database.create_collection("outbox").await.unwrap();
        let each = TRANSACTIONS / workers;
        let began = Instant::now();
        let all: Vec<_> = (0..workers)
            .map(|worker| tokio::spawn(work(client.clone(), database.clone(), worker, each)))
            .collect();
        for one in all {
            one.await.unwrap();
        }
        let rate = f64::from(each * workers) / began.elapsed().as_secs_f64();
        let users = count(&database.collection("users")).await;
        assert_eq!(users, u64::try_from(each * workers).unwrap());
        eprintln!("{workers} clients: {rate:.0} transactions/s");
    }
}
