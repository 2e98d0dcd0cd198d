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
#[path = "support/leaving.rs"]
mod leaving;
#[path = "support/process.rs"]
mod process;
mod support;

use std::collections::BTreeSet;

use leaving::{all_leave, assert_only_whole_calls_were_done};
use process::Process;
use support::{Client, connect, create, until};
use user_proto::user::v1::{ListUsersRequest, User};
use user_settings::exit_code;

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
    all_leave(grpc, 200).await;
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
    let addresses: Vec<String> = users.iter().map(|user| user.email.clone()).collect();
    assert_only_whole_calls_were_done(&addresses);
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));
    assert!(published(&process).is_superset(&ids(&users)));
}
