//! Cursors: how the engine goes on where a page ended.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::RawDocumentBuf;

use crate::command::SessionId;

/// Open cursors at a time; the longest unused makes room.
const MOST: usize = 10_000;
/// A cursor that nobody asks is closed after this time, as in MongoDB.
const IDLE: Duration = Duration::from_secs(600);

/// The transaction that a cursor belongs to.
pub(crate) type Owner = (SessionId, i64);

/// An open cursor.
pub(crate) struct Cursor {
    /// What the engine wants to be shown for the next page.
    pub(crate) continuation: RawDocumentBuf,
    /// The transaction that it reads in.
    pub(crate) owner: Option<Owner>,
}

/// All open cursors.
#[derive(Default)]
pub(crate) struct Cursors(Mutex<HashMap<i64, (Instant, Cursor)>>);

impl Cursors {
    /// Keeps a cursor.
    pub(crate) fn put(&self, id: i64, cursor: Cursor) {
        let mut open = self.lock();
        if open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(id) = oldest.map(|(id, _)| *id) {
                open.remove(&id);
            }
        }
        open.insert(id, (Instant::now(), cursor));
    }

    /// Takes a cursor out, if it is there and belongs to `owner`.
    pub(crate) fn take(&self, id: i64, owner: Option<Owner>) -> Option<Cursor> {
        let mut open = self.lock();
        if open.get(&id)?.1.owner != owner {
            return None;
        }
        open.remove(&id).map(|(_, cursor)| cursor)
    }

    /// Closes a cursor, whoever it belongs to. Whether it was there.
    pub(crate) fn kill(&self, id: i64) -> bool {
        self.lock().remove(&id).is_some()
    }

    /// Closes the cursors of a transaction.
    pub(crate) fn forget(&self, owner: Owner) {
        self.lock()
            .retain(|_, (_, cursor)| cursor.owner != Some(owner));
    }

    /// Closes what nobody asked for long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.lock()
            .retain(|_, (used, _)| now.saturating_duration_since(*used) < IDLE);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, (Instant, Cursor)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(owner: Option<Owner>) -> Cursor {
        Cursor {
            continuation: RawDocumentBuf::new(),
            owner,
        }
    }

    #[test]
    fn a_cursor_is_only_for_its_transaction() {
        let cursors = Cursors::default();
        let owner = ([1; 16], 7);
        cursors.put(5, cursor(Some(owner)));
        assert!(cursors.take(5, None).is_none());
        assert!(cursors.take(5, Some(([1; 16], 8))).is_none());
        assert!(cursors.take(5, Some(owner)).is_some());
        assert!(cursors.take(5, Some(owner)).is_none());
    }

    #[test]
    fn cursors_end_with_their_transaction_and_with_time() {
        let cursors = Cursors::default();
        let owner = ([1; 16], 7);
        cursors.put(5, cursor(Some(owner)));
        cursors.put(6, cursor(None));
        cursors.forget(owner);
        assert!(!cursors.kill(5));
        cursors.sweep(Instant::now() + IDLE);
        assert!(!cursors.kill(6));
    }

    #[test]
    fn the_number_of_cursors_is_bounded() {
        let cursors = Cursors::default();
        for id in 0..=i64::try_from(MOST).unwrap() {
            cursors.put(id, cursor(None));
        }
        assert!(!cursors.kill(0));
        assert!(cursors.kill(1));
    }
}
