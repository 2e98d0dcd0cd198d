//! What the relay has taken from the outbox, until it is written down what became of it.

use std::collections::{HashMap, HashSet};

use user_domain::UserId;

/// Users with events in hand, and how many each.
#[derive(Debug, Default)]
pub(super) struct Hand {
    users: HashMap<UserId, usize>,
    /// Those who may have much more waiting.
    crowding: HashSet<UserId>,
    events: usize,
}

impl Hand {
    pub(super) fn take(&mut self, user: UserId, events: usize) {
        *self.users.entry(user).or_default() += events;
        self.events += events;
    }

    /// Who has none left is free to be fetched again.
    pub(super) fn put_down(&mut self, user: UserId, events: usize) {
        let Some(left) = self.users.get_mut(&user) else {
            return;
        };
        self.events -= events.min(*left);
        *left -= events.min(*left);
        if *left == 0 {
            self.users.remove(&user);
            self.crowding.remove(&user);
        }
    }

    /// So much more of this user may wait that it would keep others out of the next page; no effect if none is in hand.
    pub(super) fn crowds(&mut self, user: UserId) {
        if self.contains(user) {
            self.crowding.insert(user);
        }
    }

    pub(super) fn crowding(&self) -> impl Iterator<Item = UserId> {
        self.crowding.iter().copied()
    }

    pub(super) fn contains(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    pub(super) fn users(&self) -> impl Iterator<Item = UserId> {
        self.users.keys().copied()
    }

    /// How many events of all users.
    pub(super) const fn events(&self) -> usize {
        self.events
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}
