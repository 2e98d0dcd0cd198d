//! That no call pays for the growth of what many calls have stored.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use tokio::runtime::Builder;
use user_adapter_memory::{Capacity, MemoryStorage};
use user_application::testkit::{new_user, write};
use user_application::{Outbox, UserRepository};

const USERS: u16 = 20_000;
/// Some nodes of each tree; what holds all users has hundreds of times as much.
const MOST_BYTES: u64 = 16 * 1024;

#[test]
fn no_user_is_moved_because_the_next_one_comes() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let storage = MemoryStorage::new(Capacity::default());
    for number in 0..USERS {
        let (user, event) = new_user(number, &format!("{number}@example.com"));
        let published = [event.id()];
        let created = allocation_counter::measure(|| {
            let creating = storage.create(user, event, None, write());
            runtime.block_on(creating).expect("room for all");
        });
        assert!(
            created.bytes_total <= MOST_BYTES,
            "after {number} users the next one took {} bytes",
            created.bytes_total
        );
        runtime.block_on(storage.acknowledge(&published)).unwrap();
    }
}
