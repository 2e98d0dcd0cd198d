//! For tests only: the contract that every storage passes, and fakes for the other ports.
//!
//! An adapter's test says `user_application::storage_contract!(make())` and gets one test for each rule.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod fakes;
pub mod storage;

pub use fakes::{FixedClock, ImmediateTimer, Recorder, SequentialIds};

use std::time::{Duration, SystemTime};

use user_domain::{Email, EventId, User, UserEvent, UserId, UserName};

/// A new user with its event; `number` tells users, and their events, apart.
pub fn new_user(number: u16, email: &str) -> (User, UserEvent) {
    let ids = SequentialIds::from(number);
    let name = UserName::parse(&format!("User {number}")).expect("valid name");
    let email = Email::parse(email).expect("valid address");
    User::create(
        UserId::new(ids.uuid()),
        EventId::new(ids.uuid()),
        name,
        email,
        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::from(number)),
    )
}
