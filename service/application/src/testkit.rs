//! For tests only: the contracts that every storage and every publisher passes, and fakes for the ports.
//!
//! An adapter's test says `user_application::storage_contract!(make())`, or `publisher_contract!`, and gets one test for
//! each rule.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod fakes;
pub mod publisher;
pub mod storage;

pub use fakes::{Fails, FixedClock, ImmediateTimer, Noted, Recorder, SequentialIds};

use std::time::{Duration, Instant, SystemTime};

use user_domain::{Email, EventId, User, UserChange, UserEvent, UserId, UserName};
use uuid::Uuid;

use crate::{RequestContext, Write};

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

/// The next version of a user, under another name, with its event.
pub fn renamed(user: &User, number: u16) -> (User, UserEvent) {
    let change = UserChange {
        name: Some(UserName::parse(&format!("Renamed {number}")).expect("valid name")),
        email: None,
    };
    let event = EventId::new(SequentialIds::from(number).uuid());
    let now = user.updated_at() + Duration::from_millis(1);
    let updated = user.update(change, event, now).expect("not deleted");
    updated.expect("another name")
}

/// The user, deleted for a day, with its event.
pub fn deleted(user: &User, number: u16) -> (User, UserEvent) {
    let event = EventId::new(Uuid::from_u128(u128::from(number) << 64));
    let now = user.updated_at() + Duration::from_millis(1);
    let day = Duration::from_hours(24);
    user.delete(day, event, now).expect("not deleted")
}

/// The user, back again, with its event.
pub fn undeleted(user: &User, number: u16) -> (User, UserEvent) {
    let event = EventId::new(Uuid::from_u128(u128::from(number) << 64));
    let now = user.updated_at() + Duration::from_millis(1);
    user.undelete(event, now).expect("deleted")
}

/// A write with time enough.
pub fn write() -> Write {
    Write {
        deadline: Instant::now() + Duration::from_secs(10),
        trace: None,
    }
}

/// A request with time enough and nothing else.
pub fn request() -> RequestContext {
    RequestContext {
        deadline: write().deadline,
        request_id: None,
        trace: None,
        validate_only: false,
    }
}
