//! The contract of a storage: [`UserRepository`] and [`Outbox`] over the same data.
//!
//! Each function is one rule and takes a storage that is empty.

mod deletion;
mod leases;
mod listing;
mod outbox;
mod users;

pub use deletion::*;
pub use leases::*;
pub use listing::*;
pub use outbox::*;
pub use users::*;

use std::num::NonZeroUsize;

use user_domain::{EventId, User};

use super::{new_user, write};
use crate::{Outbox, UserRepository};

const MANY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// Both ports over the same data.
pub trait Storage: UserRepository + Outbox {}

impl<S: UserRepository + Outbox> Storage for S {}

/// One test for each rule of the contract. Needs tokio with `macros` and `rt` in the caller; the argument is evaluated
/// inside an async block and gives an empty storage.
#[macro_export]
macro_rules! storage_contract {
    ($make:expr) => {
        $crate::storage_contract! { $make =>
            a_created_user_is_found_unchanged
            an_unknown_user_is_not_found
            of_several_users_those_that_are_there_are_found_once
            an_address_in_another_case_is_taken
            an_identifier_is_taken_once
            a_refused_user_leaves_neither_user_nor_event
            a_changed_user_is_found_at_its_next_version
            an_address_is_free_once_its_user_has_another
            an_address_of_another_user_is_not_taken_over_by_a_change
            of_many_changes_to_one_version_one_wins
            a_change_to_an_unknown_user_is_refused
            a_deleted_user_is_found_as_deleted
            the_address_of_a_deleted_user_stays_taken
            an_undeleted_user_is_found_as_it_was
            who_has_an_address_is_who_a_write_would_run_into
            users_are_listed_in_order_both_ways
            pages_put_together_are_the_whole_listing
            no_user_that_stays_is_skipped_or_repeated
            deleted_users_are_listed_when_asked_for
            users_are_found_by_address
            users_are_found_by_time_of_creation
            a_repeated_request_is_answered_as_the_first_time
            a_request_id_is_for_one_request
            what_a_request_made_is_found_by_it_and_no_other
            of_one_request_sent_many_times_at_once_one_user_comes
            nothing_is_begun_after_the_deadline
            events_wait_in_the_order_of_creation
            events_of_one_user_wait_in_the_order_of_versions
            an_event_is_read_back_as_it_was_stored
            reading_events_does_not_remove_them
            acknowledged_events_are_gone_and_others_stay
            acknowledging_twice_does_no_harm
            events_of_excepted_users_are_passed_over
            attempts_are_counted_in_the_present_epoch_only
            a_buried_event_is_pending_no_more
            the_backlog_counts_what_waits_and_knows_the_oldest
            waiting_ends_when_a_user_is_created
            of_many_racing_for_one_address_one_wins
            the_lease_has_one_holder_at_a_time
            a_lease_given_back_is_free_at_once
        }
    };
    ($make:expr => $($rule:ident)+) => {
        $(#[tokio::test]
        async fn $rule() {
            $crate::testkit::storage::$rule(async { $make }.await).await;
        })+
    };
}

/// The ids of all pending events.
async fn pending(storage: &impl Storage) -> Vec<EventId> {
    let records = storage.pending(MANY, &[]).await.expect("outbox works");
    records.iter().map(|record| record.event.id()).collect()
}

/// Stores user and event number so and so.
async fn create(storage: &impl Storage, number: u16) -> (User, EventId) {
    let (user, event) = new_user(number, &format!("user{number}@example.com"));
    let id = event.id();
    let stored = storage.create(user, event, None, write()).await;
    (stored.expect("created"), id)
}
