//! The part of the filter language (AIP-160) and of `order_by` (AIP-132) that has an index behind it.

use std::time::{Duration, SystemTime};

use user_application::{Order, UserFilter};
use user_domain::{Email, EmailError};

/// Why a filter cannot be used. Holds nothing of its text, which may be an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(
        "must be comparisons with AND between them: email = \"ADDRESS\", and create_time with =, <, <=, > or >= and a time"
    )]
    Form,
    #[error("email can be compared by = alone")]
    EmailOperator,
    #[error("email {0}")]
    Email(EmailError),
    #[error("email can be asked for once")]
    EmailTwice,
    #[error("create_time must be compared with a time in UTC such as \"2026-01-31T12:00:00Z\"")]
    Time,
}

/// Why an order cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be create_time, create_time desc, or absent")]
pub(crate) struct OrderError;

/// The order that is asked for.
pub(crate) fn order(text: &str) -> Result<Order, OrderError> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        [] | ["create_time"] | ["create_time", "asc"] => Ok(Order::OldestFirst),
        ["create_time", "desc"] => Ok(Order::NewestFirst),
        _ => Err(OrderError),
    }
}

/// What the filter asks for; everything without one.
pub(crate) fn filter(text: &str) -> Result<UserFilter, FilterError> {
    let mut filter = UserFilter::default();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        rest = comparison(rest, &mut filter)?.trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        let following = rest.strip_prefix("AND").ok_or(FilterError::Form)?;
        rest = following.trim_ascii_start();
        if rest.is_empty() || rest.len() == following.len() {
            return Err(FilterError::Form);
        }
    }
    Ok(filter)
}

/// Reads one comparison from the front; what follows it.
fn comparison<'a>(text: &'a str, filter: &mut UserFilter) -> Result<&'a str, FilterError> {
    let end = text
        .find(|c: char| !c.is_ascii_alphabetic() && c != '_')
        .ok_or(FilterError::Form)?;
    let (field, rest) = text.split_at_checked(end).ok_or(FilterError::Form)?;
    let rest = rest.trim_ascii_start();
    let operator = ["<=", ">=", "<", ">", "="]
        .into_iter()
        .find(|operator| rest.starts_with(operator))
        .ok_or(FilterError::Form)?;
    let rest = rest.strip_prefix(operator).ok_or(FilterError::Form)?;
    let (value, rest) = value(rest.trim_ascii_start())?;
    match field {
        "email" => by_email(operator, value, filter)?,
        "create_time" => by_creation(operator, value, filter)?,
        _ => return Err(FilterError::Form),
    }
    Ok(rest)
}

/// A value in quotes, or a bare one up to white space; and what follows it.
fn value(text: &str) -> Result<(&str, &str), FilterError> {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).ok_or(FilterError::Form);
        }
    }
    let end = text
        .find(|c: char| c.is_ascii_whitespace())
        .unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((value, rest)) if !value.is_empty() => Ok((value, rest)),
        _ => Err(FilterError::Form),
    }
}

fn by_email(operator: &str, value: &str, filter: &mut UserFilter) -> Result<(), FilterError> {
    if operator != "=" {
        return Err(FilterError::EmailOperator);
    }
    let email = Email::parse(value).map_err(FilterError::Email)?;
    match filter.email.replace(email) {
        None => Ok(()),
        Some(_) => Err(FilterError::EmailTwice),
    }
}

/// Users are created at whole milliseconds, so every comparison is one with a range from one to another.
fn by_creation(operator: &str, value: &str, filter: &mut UserFilter) -> Result<(), FilterError> {
    let time = humantime::parse_rfc3339(value).map_err(|_| FilterError::Time)?;
    let at_or_after = whole_milliseconds(time, 999_999)?;
    let after = whole_milliseconds(time, 1_000_000)?;
    let (from, before) = match operator {
        ">=" => (Some(at_or_after), None),
        ">" => (Some(after), None),
        "<" => (None, Some(at_or_after)),
        "<=" => (None, Some(after)),
        _ => (Some(at_or_after), Some(after)),
    };
    filter.created_from = filter.created_from.max(from);
    filter.created_before = match (filter.created_before, before) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Ok(())
}

/// The last whole millisecond up to so many nanoseconds after this time.
fn whole_milliseconds(time: SystemTime, nanos: u64) -> Result<SystemTime, FilterError> {
    let since_epoch = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| FilterError::Time)?
        .saturating_add(Duration::from_nanos(nanos));
    let part = Duration::from_nanos(u64::from(since_epoch.subsec_nanos() % 1_000_000));
    SystemTime::UNIX_EPOCH
        .checked_add(since_epoch.saturating_sub(part))
        .ok_or(FilterError::Time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn what_has_an_index_can_be_asked_for() {
        let email = Email::parse("ada@example.com").ok();
        let (from, before) = (Some(at(1_000)), Some(at(2_000)));
        let nothing = UserFilter::default();
        for (text, expected) in [
            ("", nothing.clone()),
            ("  ", nothing.clone()),
            (
                r#"email = "Ada@Example.com""#,
                UserFilter {
                    email: email.clone(),
                    ..nothing.clone()
                },
            ),
            (
                "email='ada@example.com' AND create_time>=1970-01-01T00:00:01Z",
                UserFilter {
                    email,
                    created_from: from,
                    ..nothing.clone()
                },
            ),
            (
                r#"create_time >= "1970-01-01T00:00:01Z" AND create_time < "1970-01-01T00:00:02Z""#,
                UserFilter {
                    created_from: from,
                    created_before: before,
                    ..nothing.clone()
                },
            ),
            (
                r#"create_time > "1970-01-01T00:00:00.999Z"  AND  create_time <= "1970-01-01T00:00:01.999Z""#,
                UserFilter {
                    created_from: from,
                    created_before: before,
                    ..nothing.clone()
                },
            ),
            (
                r#"create_time = "1970-01-01T00:00:01Z""#,
                UserFilter {
                    created_from: from,
                    created_before: Some(at(1_001)),
                    ..nothing.clone()
                },
            ),
            (
                r#"create_time = "1970-01-01T00:00:01.0005Z""#,
                UserFilter {
                    created_from: Some(at(1_001)),
                    created_before: Some(at(1_001)),
                    ..nothing
                },
            ),
        ] {
            assert_eq!(filter(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn of_several_bounds_the_narrowest_counts() {
        let text = "create_time > 1970-01-01T00:00:01Z AND create_time > 1970-01-01T00:00:00Z \
                    AND create_time < 1970-01-01T00:00:03Z AND create_time < 1970-01-01T00:00:09Z";
        let narrow = filter(text).unwrap();
        assert_eq!(narrow.created_from, Some(at(1_001)));
        assert_eq!(narrow.created_before, Some(at(3_000)));
    }

    #[test]
    fn anything_else_is_refused_with_what_would_be_accepted() {
        for (text, expected) in [
            ("ada", FilterError::Form),
            ("name = \"Ada\"", FilterError::Form),
            ("email", FilterError::Form),
            ("email =", FilterError::Form),
            ("email : \"ada@example.com\"", FilterError::Form),
            ("email = \"ada@example.com", FilterError::Form),
            ("email = \"ada@example.com\" AND", FilterError::Form),
            (
                "email = \"ada@example.com\" OR email = \"b@example.com\"",
                FilterError::Form,
            ),
            (
                "email = \"a@example.com\" ANDemail = \"b@example.com\"",
                FilterError::Form,
            ),
            ("email != \"ada@example.com\"", FilterError::Form),
            ("email > \"ada@example.com\"", FilterError::EmailOperator),
            ("email = \"ada\"", FilterError::Email(EmailError::Malformed)),
            (
                "email = \"a@example.com\" AND email = \"b@example.com\"",
                FilterError::EmailTwice,
            ),
            ("create_time > yesterday", FilterError::Time),
            ("create_time > 2026-01-31", FilterError::Time),
        ] {
            assert_eq!(filter(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn users_can_be_ordered_by_creation_alone() {
        assert_eq!(order(""), Ok(Order::OldestFirst));
        assert_eq!(order("create_time"), Ok(Order::OldestFirst));
        assert_eq!(order(" create_time  desc "), Ok(Order::NewestFirst));
        for other in ["name", "create_time, name", "create_time down", "desc"] {
            assert_eq!(order(other), Err(OrderError), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_whatever_makes_reading_panic(text in any::<String>()) {
            let _ = (filter(&text), order(&text));
        }

        #[test]
        fn nothing_near_the_language_makes_reading_panic(
            words in prop::collection::vec(prop::sample::select(vec![
                "email", "create_time", "=", "<", ">=", "\"", "'", "AND", " ", "é", "a@b.example", "1970-01-01T00:00:00.1Z",
            ]), 0..12),
        ) {
            let _ = filter(&words.concat());
        }
    }
}
