//! Rules of names, addresses, identifiers and events.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use user_domain::{
    Deletion, Email, EmailError, EventId, EventKind, User, UserChange, UserId, UserName,
    UserNameError, UserStateError, Version,
};
use uuid::Uuid;

fn name(typed: &str) -> UserName {
    UserName::parse(typed).expect("valid name")
}

fn email(typed: &str) -> Email {
    Email::parse(typed).expect("valid address")
}

#[test]
fn names_are_trimmed_and_composed() {
    let cases = [
        ("  Ada  ", "Ada"),
        ("Zoe\u{308}", "Zo\u{eb}"),
        ("\u{3000}李小龍\u{3000}", "李小龍"),
    ];
    for (typed, kept) in cases {
        assert_eq!(name(typed).as_str(), kept);
    }
}

#[test]
fn names_that_break_a_rule_are_refused_with_that_rule() {
    let long = "x".repeat(129);
    let cases = [
        ("", UserNameError::Empty),
        (" \t\n", UserNameError::Empty),
        ("a\nb", UserNameError::ControlCharacter),
        ("a\u{0}b", UserNameError::ControlCharacter),
        (long.as_str(), UserNameError::TooLong { chars: 129 }),
    ];
    for (typed, reason) in cases {
        assert_eq!(UserName::parse(typed), Err(reason), "{typed:?}");
    }
}

#[test]
fn the_length_of_a_name_counts_characters_not_bytes() {
    assert!(UserName::parse(&"ß".repeat(128)).is_ok());
}

#[test]
fn addresses_are_kept_as_typed_and_compared_regardless_of_case() {
    let typed = email(" Ada.Lovelace@Example.COM ");
    assert_eq!(typed.as_str(), "Ada.Lovelace@Example.COM");
    assert_eq!(typed, email("ada.lovelace@example.com"));
    assert_ne!(typed, email("ada.lovelace+tag@example.com"));
    assert_ne!(
        email("ada@b\u{fc}cher.example"),
        email("ada@xn--bcher-kva.example")
    );
    let set: BTreeSet<Email> = [typed, email("ADA.LOVELACE@EXAMPLE.COM")].into();
    assert_eq!(set.len(), 1);
}

#[test]
fn addresses_composed_differently_are_one() {
    assert_eq!(
        email("jose\u{301}@example.com"),
        email("JOS\u{c9}@example.com")
    );
}

#[test]
fn addresses_that_break_a_rule_are_refused_with_that_rule() {
    let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(190));
    let cases = [
        ("", EmailError::Empty),
        ("   ", EmailError::Empty),
        ("ada", EmailError::Malformed),
        ("ada@", EmailError::Malformed),
        ("@example.com", EmailError::Malformed),
        ("ada@localhost", EmailError::Malformed),
        ("ada@[127.0.0.1]", EmailError::Malformed),
        ("Ada <ada@example.com>", EmailError::Malformed),
        ("ada@exam ple.com", EmailError::Malformed),
        ("\"a\tb\"@example.com", EmailError::Malformed),
        ("\"a\u{7f}b\"@example.com", EmailError::Malformed),
        ("ada@example.com\nbcc:x@example.com", EmailError::Malformed),
        (long.as_str(), EmailError::TooLong { bytes: long.len() }),
    ];
    for (typed, reason) in cases {
        assert_eq!(Email::parse(typed), Err(reason), "{typed:?}");
    }
}

#[test]
fn identifiers_have_one_spelling_save_for_case() {
    let text = "0192f0c1-2b3c-7d4e-8f50-617283940a1b";
    let id: UserId = text.parse().expect("canonical");
    assert_eq!(id.to_string(), text);
    assert_eq!(text.to_uppercase().parse(), Ok(id));
    for other in [
        "",
        "1",
        "0192f0c12b3c7d4e8f50617283940a1b",
        "{0192f0c1-2b3c-7d4e-8f50-617283940a1b}",
    ] {
        assert!(other.parse::<UserId>().is_err(), "{other}");
    }
}

#[test]
fn creating_a_user_tells_of_it_with_the_first_version() {
    let id = UserId::new(Uuid::from_u128(1));
    let event_id = EventId::new(Uuid::from_u128(2));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let (user, event) = User::create(id, event_id, name("Ada"), email("ada@example.com"), now);
    assert_eq!(user.version(), Version::FIRST);
    assert_eq!(
        (
            event.id(),
            event.user_id(),
            event.occurred_at(),
            event.version()
        ),
        (event_id, user.id(), user.created_at(), user.version())
    );
}

const DAY: Duration = Duration::from_hours(24);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn event(number: u128) -> EventId {
    EventId::new(Uuid::from_u128(number))
}

fn ada() -> User {
    let id = UserId::new(Uuid::from_u128(1));
    User::create(id, event(1), name("Ada"), email("ada@example.com"), at(7)).0
}

#[test]
fn a_deleted_user_can_come_back_until_its_time_has_come() {
    let user = ada();
    let (deleted, told) = user.delete(DAY, event(2), at(9)).unwrap();
    let deletion = Deletion {
        deleted_at: at(9),
        purge_at: at(9) + DAY,
    };
    assert_eq!(deleted.deletion(), Some(deletion));
    assert_eq!((told.kind(), told.user()), (EventKind::Deleted, &deleted));
    assert_eq!(deleted.version(), user.version().next());
    assert!(!deleted.is_purged(at(8) + DAY));
    assert!(deleted.is_purged(at(9) + DAY));
    let (back, told) = deleted.undelete(event(3), at(10)).unwrap();
    assert_eq!((told.kind(), told.user()), (EventKind::Updated, &back));
    assert_eq!((back.deletion(), back.name()), (None, user.name()));
    assert_eq!(back.version(), deleted.version().next());
    assert!(!back.is_purged(at(9) + DAY));
}

#[test]
fn what_does_not_suit_the_state_of_a_user_is_refused() {
    let user = ada();
    let undeleted = user.undelete(event(2), at(9)).unwrap_err();
    assert_eq!(undeleted, UserStateError::NotDeleted);
    let (deleted, _) = user.delete(DAY, event(2), at(9)).unwrap();
    let again = deleted.delete(DAY, event(3), at(10)).unwrap_err();
    assert_eq!(again, UserStateError::Deleted);
    let renamed = UserChange {
        name: Some(name("Grace")),
        email: None,
    };
    let updated = deleted.update(renamed, event(3), at(10)).unwrap_err();
    assert_eq!(updated, UserStateError::Deleted);
}

#[test]
fn times_of_a_user_do_not_go_back_with_the_clock_of_who_deletes_it() {
    let (deleted, told) = ada().delete(DAY, event(2), at(3)).unwrap();
    assert_eq!((deleted.updated_at(), told.occurred_at()), (at(7), at(7)));
    assert_eq!(deleted.deletion().unwrap().purge_at, at(7) + DAY);
}

#[test]
fn personal_data_is_not_in_debug_output() {
    let id = UserId::new(Uuid::from_u128(1));
    let event_id = EventId::new(Uuid::from_u128(2));
    let (user, event) = User::create(
        id,
        event_id,
        name("Grace Hopper"),
        email("grace@example.com"),
        SystemTime::UNIX_EPOCH,
    );
    let shown = format!("{user:?} {event:?} {:?} {:?}", user.name(), user.email());
    assert!(
        !shown.contains("Grace") && !shown.to_lowercase().contains("grace@"),
        "{shown}"
    );
}

/// Texts made of what addresses are made of, and of what is easily taken for it.
fn near_an_address() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "@",
            ".",
            "a",
            "example.com",
            "\"",
            "\\",
            " ",
            "\u{a0}",
            "\u{0}",
            "\u{7f}",
            "\u{85}",
            "<",
            ">",
            "[",
            "]",
            "127.0.0.1",
            "(",
            ")",
            "e\u{301}",
            "\u{212a}",
            "İ",
            "ß",
            "xn--",
            "-",
            "+",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9]{1,70}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 1..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn whatever_is_accepted_as_a_name_is_accepted_unchanged_again(typed in any::<String>()) {
        if let Ok(first) = UserName::parse(&typed) {
            prop_assert_eq!(UserName::parse(first.as_str()), Ok(first));
        }
    }

    #[test]
    fn whatever_is_accepted_as_an_address_is_short_printable_and_accepted_unchanged_again(
        typed in near_an_address(),
    ) {
        if let Ok(first) = Email::parse(&typed) {
            prop_assert!(first.as_str().len() <= Email::MAX_BYTES);
            prop_assert!(!first.as_str().chars().any(char::is_control));
            prop_assert!(first.as_str().contains('@') && first.as_str().contains('.'));
            let again = Email::parse(first.as_str()).expect("is one still");
            prop_assert_eq!((again.as_str(), again.as_key()), (first.as_str(), first.as_key()));
        }
    }

    #[test]
    fn case_never_makes_two_addresses_of_one(local in "[a-z0-9éäжω]{1,20}", domain in "[a-z]{1,20}") {
        let typed = format!("{local}@{domain}.example");
        let lower = email(&typed);
        let upper = email(&typed.to_uppercase());
        prop_assert_eq!(lower.as_key(), upper.as_key());
        prop_assert_ne!(lower.as_str(), upper.as_str());
    }

    #[test]
    fn no_text_whatever_makes_parsing_panic(typed in any::<String>()) {
        let _ = (UserName::parse(&typed), Email::parse(&typed), typed.parse::<UserId>());
    }
}
