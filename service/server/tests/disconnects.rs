//! Clients that go away while their write is under way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/http2.rs"]
mod http2;
#[path = "support/process.rs"]
mod process;
mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use http2::{Connection, code, frame, kind, opening};
use process::Process;
use support::{Client, connect, create, new_user, until};
use tokio::task::JoinSet;
use user_proto::user::v1::{ListUsersRequest, User};
use user_settings::exit_code;

const CREATE_USER: &str = "/user.v1.UserService/CreateUser";

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// It says that nothing more comes, and waits until the server has hung up.
    Finishes,
    /// The same, after it has given up the call.
    Cancels,
    /// As if its machine were switched off.
    Aborts,
    /// Before its message is whole.
    InTheMiddle,
}

const WAYS: [Leaving; 4] = [
    Leaving::Finishes,
    Leaving::Cancels,
    Leaving::Aborts,
    Leaving::InTheMiddle,
];

fn email(client: usize, leaving: Leaving) -> String {
    format!("{leaving:?}-{client}@example.com").to_lowercase()
}

/// Asks for a user, and is gone before there is an answer to read.
async fn leave(server: SocketAddr, client: usize, leaving: Leaving) {
    let message = new_user("Ada", &email(client, leaving));
    let mut said = [opening(), http2::call(1, CREATE_USER, &message)].concat();
    match leaving {
        Leaving::Finishes | Leaving::Aborts => {}
        Leaving::Cancels => {
            let cancel = code::CANCEL.to_be_bytes();
            said.extend(frame(kind::RST_STREAM, 0, 1, &cancel));
        }
        Leaving::InTheMiddle => said.truncate(said.len() - 5),
    }
    let mut connection = Connection::open(server).await;
    connection.send(&said).await;
    if matches!(leaving, Leaving::Aborts) {
        return connection.abort();
    }
    connection.finish().await;
    connection.end().await;
}

async fn stored(client: &mut Client) -> Vec<User> {
    let request = ListUsersRequest {
        page_size: 1_000,
        ..ListUsersRequest::default()
    };
    client.list_users(request).await.unwrap().into_inner().users
}

fn published(process: &Process) -> BTreeSet<String> {
    let events = process.stdout.json();
    let subjects = events
        .iter()
        .map(|event| event["subject"].as_str().unwrap());
    subjects.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_write_whose_client_goes_away_is_done_with_its_event_or_not_at_all() {
    let mut process = Process::spawn(&[("USERSVC_DRAIN_DELAY", "0s")]);
    let (grpc, _) = process.serving().await;
    let mut leaving: JoinSet<()> = (0..200)
        .map(|client| leave(grpc, client, WAYS[client % WAYS.len()]))
        .collect();
    while let Some(left) = leaving.join_next().await {
        left.unwrap();
    }
    let mut client = Client::new(connect(grpc).await);
    let stayed = create(&mut client, "stayed@example.com").await;
    let ids = |users: &[User]| users.iter().map(|user| user.user_id.clone()).collect();
    until("an event for each user, and none for nobody", || {
        let (mut client, process) = (client.clone(), &process);
        async move {
            let ids: BTreeSet<String> = ids(&stored(&mut client).await);
            ids == published(process)
        }
    })
    .await;
    let users = stored(&mut client).await;
    assert!(users.contains(&stayed));
    let half: Vec<&User> = users
        .iter()
        .filter(|user| user.email.starts_with("inthemiddle"))
        .collect();
    assert!(half.is_empty(), "{half:?}");
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));
    assert!(published(&process).is_superset(&ids(&users)));
}
