//! What this adapter tells. What becomes of connections is counted alone, by the observer.

use std::fmt::Display;

/// An event that this version cannot read waits, with all that follow it for the same user. It counts in the backlog.
pub(crate) fn event_unreadable(user: &str, error: &impl Display) {
    tracing::warn!(user, %error, "an event cannot be read and waits");
}
