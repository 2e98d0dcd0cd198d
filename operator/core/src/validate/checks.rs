//! Checks that fields share.

use std::{ops::RangeInclusive, time::Duration};

use super::{Broken, names};

/// Whether a text has an accepted length, in bytes, and accepted characters only.
pub(super) fn text(
    text: &str,
    length: RangeInclusive<usize>,
    accepted: impl Fn(char) -> bool,
) -> bool {
    length.contains(&text.len()) && text.chars().all(accepted)
}

/// The name of a Secret: a DNS subdomain (RFC 1123).
pub(super) fn secret(field: &'static str, name: &str, broken: &mut Broken) {
    if !names::is_subdomain(name) {
        broken.add(
            field,
            format!("{name:?} is no name of a Secret in the namespace of this resource"),
        );
    }
}

/// The name of a key of a Secret.
pub(super) fn secret_key(field: &'static str, key: &str, broken: &mut Broken) {
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !text(key, 1..=253, accepted) {
        broken.add(
            field,
            "key must be 1 to 253 letters, digits, '-', '.' or '_'",
        );
    }
}

/// A number within bounds; the lower one in place of a number outside.
pub(super) fn count(
    field: &'static str,
    value: i32,
    bounds: &RangeInclusive<u32>,
    broken: &mut Broken,
) -> u32 {
    match u32::try_from(value) {
        Ok(count) if bounds.contains(&count) => count,
        _ => {
            let (min, max) = (bounds.start(), bounds.end());
            broken.add(field, format!("{value} is not between {min} and {max}"));
            *min
        }
    }
}

/// A duration within bounds.
pub(super) fn duration(
    field: &'static str,
    value: kube_core::Duration,
    bounds: &RangeInclusive<Duration>,
    broken: &mut Broken,
) -> Duration {
    let accepted = Duration::from(value);
    if value.is_negative() || !bounds.contains(&accepted) {
        let (min, max) = (bounds.start(), bounds.end());
        broken.add(
            field,
            format!("{value:?} is not between {min:?} and {max:?}"),
        );
    }
    accepted
}
