//! Clients that go away while their write is under way in the database.

use std::collections::BTreeSet;
use std::fs;

use futures::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_settings::exit_code;
use uuid::Uuid;

use super::leaving::{all_leave, assert_only_whole_calls_were_done};
use super::process::Process;
use super::support::soon;
use super::{Database, variable};

/// Puts these rules in place of those in force at the proxy before the database.
async fn faults(rules: &Value) {
    let control = variable("TEST_MONGODB_FAULTS_CONTROL");
    let control = control.trim_start_matches("http://");
    let body = rules.to_string();
    let request = format!(
        "PUT /faults HTTP/1.1\r\nHost: {control}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let exchange = async {
        let mut connection = TcpStream::connect(control).await?;
        connection.write_all(request.as_bytes()).await?;
        connection.read_to_string(&mut answer).await
    };
    soon("the rules", exchange).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

async fn all(database: &mongodb::Database, collection: &str) -> Vec<Document> {
    let collection = database.collection::<Document>(collection);
    let found = collection.find(doc! {}).await.unwrap();
    found.try_collect().await.unwrap()
}

fn user_id(user: &Document) -> String {
    let Some(Bson::Binary(id)) = user.get("_id") else {
        panic!("{user}");
    };
    Uuid::from_slice(&id.bytes).unwrap().to_string()
}

fn text(document: &Document, field: &str) -> String {
    document.get_str(field).unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn a_write_to_a_database_whose_client_goes_away_is_done_with_its_event_or_not_at_all() {
    let database = Database::new();
    database.run(&["migrate"]).await.lines();
    let slow = database.uri_file.with_extension("slow");
    fs::write(&slow, variable("TEST_MONGODB_FAULTS_URI")).unwrap();
    let mut vars = database.vars().to_vec();
    vars.push(("USERSVC_MONGODB_URI_FILE", slow.to_str().unwrap()));
    let mut server = Process::spawn(&vars);
    let (grpc, _) = server.serving().await;

    // Each command of a write takes so long that its client is gone before the next one.
    faults(&json!([{"command": "*", "action": {"delayMs": 15}}])).await;
    all_leave(grpc, 100).await;
    faults(&json!([])).await;
    server.signal("TERM").await;
    assert_eq!(server.exit_code().await, i32::from(exit_code::OK));

    let past = database.open().await;
    let (users, events) = (all(&past, "users").await, all(&past, "outbox").await);
    let stored: BTreeSet<String> = users.iter().map(user_id).collect();
    let told = events.iter().map(|event| text(event, "aggregateid"));
    assert_eq!(stored, told.collect());
    let addresses: Vec<String> = users.iter().map(|user| text(user, "email")).collect();
    assert_only_whole_calls_were_done(&addresses);
    fs::remove_file(&slow).unwrap();
    database.remove().await;
}
