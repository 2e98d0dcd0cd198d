//! Clients that leave while their write is under way.

#![allow(unreachable_pub, reason = "as in the other files here")]

use std::net::SocketAddr;

use tokio::task::JoinSet;

use crate::http2::{Connection, call, code, frame, kind, opening};
use crate::support::new_user;

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
    /// The same, once the call has begun.
    OnceBegun,
    /// Before its message is whole.
    InTheMiddle,
}

const WAYS: [Leaving; 5] = [
    Leaving::Finishes,
    Leaving::Cancels,
    Leaving::Aborts,
    Leaving::OnceBegun,
    Leaving::InTheMiddle,
];

/// So many clients ask for a user each and are gone before they have an answer, by every way.
pub async fn all_leave(server: SocketAddr, clients: usize) {
    let mut leaving: JoinSet<()> = (0..clients)
        .map(|client| leave(server, client, WAYS[client % WAYS.len()]))
        .collect();
    while let Some(left) = leaving.join_next().await {
        left.unwrap();
    }
}

/// Of these addresses of stored users: that nobody is there by half a message, and that writes which had begun are done,
/// since otherwise nothing was seen of what becomes of one.
pub fn assert_only_whole_calls_were_done(addresses: &[String]) {
    let of = |leaving: Leaving| {
        let start = start(leaving);
        addresses.iter().any(|address| address.starts_with(&start))
    };
    assert!(!of(Leaving::InTheMiddle), "{addresses:?}");
    assert!(of(Leaving::OnceBegun), "{addresses:?}");
}

/// What the addresses begin with of the users for whom clients ask that leave so.
fn start(leaving: Leaving) -> String {
    format!("{leaving:?}-").to_lowercase()
}

async fn leave(server: SocketAddr, client: usize, leaving: Leaving) {
    let message = new_user("Ada", &format!("{}{client}@example.com", start(leaving)));
    let mut said = [opening(), call(1, CREATE_USER, &message)].concat();
    match leaving {
        Leaving::Finishes | Leaving::Aborts => {}
        Leaving::Cancels => {
            let cancel = code::CANCEL.to_be_bytes();
            said.extend(frame(kind::RST_STREAM, 0, 1, &cancel));
        }
        Leaving::OnceBegun => said.extend(frame(kind::PING, 0, 0, &[0; 8])),
        Leaving::InTheMiddle => said.truncate(said.len() - 5),
    }
    let mut connection = Connection::open(server).await;
    connection.send(&said).await;
    match leaving {
        Leaving::Aborts => connection.abort(),
        Leaving::OnceBegun => {
            // Frames of one connection are taken in order: with this answer the server has the call.
            connection.next_of(kind::PING).await.expect("an answer");
            connection.abort();
        }
        Leaving::Finishes | Leaving::Cancels | Leaving::InTheMiddle => {
            connection.finish().await;
            connection.end().await;
        }
    }
}
