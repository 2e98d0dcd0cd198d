//! The inputs that libFuzzer begins with, and those that once failed: each holds, whole and cut off anywhere.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tonic::Code;
use user_fuzz::{METHODS, email, field_mask, framing, page_token};

/// The seeds of a target; what came of each of them, and of nothing that is cut off it, is returned.
fn replay<T>(target: &str, run: impl Fn(&[u8]) -> T) -> Vec<T> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let seeds = fs::read_dir(folder).unwrap();
    let seeds = seeds.map(|seed| fs::read(seed.unwrap().path()).unwrap());
    let outcome = |seed: Vec<u8>| {
        for end in 0..seed.len() {
            run(&seed[..end]);
        }
        run(&seed)
    };
    seeds.map(outcome).collect()
}

/// As they are compared: in order, each once.
fn set(codes: impl IntoIterator<Item = Code>) -> BTreeSet<i32> {
    codes.into_iter().map(i32::from).collect()
}

#[test]
fn whatever_bytes_a_call_has_it_ends_with_a_message_or_an_error_that_says_why() {
    let outcomes: Vec<_> = replay("framing", framing).into_iter().flatten().collect();
    for (method, _) in METHODS {
        let of_it = || outcomes.iter().filter(|(of, _)| *of == method);
        let [behind_prefix, whole] = [0, 1].map(|at| set(of_it().map(|(_, codes)| codes[at])));
        let ok = i32::from(Code::Ok);
        assert!(
            behind_prefix.contains(&ok) && whole.contains(&ok),
            "{method}"
        );
        assert!(whole.len() > 1, "{method} is refused as well");
    }
}

#[test]
fn a_page_token_leads_to_its_place_in_its_own_listing_and_is_refused_by_others() {
    let outcomes = replay("page_token", page_token).into_iter().flatten();
    let changed = outcomes.map(|[_, _, changed]| changed);
    assert_eq!(set(changed), set([Code::Ok, Code::InvalidArgument]));
}

#[test]
fn an_update_changes_what_its_mask_names_and_nothing_where_it_is_refused() {
    let outcomes = replay("field_mask", field_mask).into_iter().flatten();
    let expected = [
        Code::Ok,
        Code::InvalidArgument,
        Code::Aborted,
        Code::AlreadyExists,
    ];
    assert_eq!(set(outcomes), set(expected));
}

#[test]
fn what_is_accepted_as_an_address_is_the_same_one_however_it_is_written() {
    let outcomes: BTreeSet<bool> = replay("email", email).into_iter().collect();
    assert_eq!(outcomes.len(), 2);
}
