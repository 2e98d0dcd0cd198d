//! Driven adapter: users and outbox in the memory of the process.
//!
//! The embedded default: no infrastructure, nothing survives the process. Bounded in both directions, so that it runs
//! full instead of running out of memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use user_application::{Outbox, OutboxError, RepositoryError, UserRepository};
use user_domain::{Email, EventId, User, UserEvent, UserId};

/// How much a [`MemoryStorage`] holds before it answers `Full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Users; they are never removed.
    pub users: usize,
    /// Events that are not yet acknowledged.
    pub pending_events: usize,
}

impl Default for Capacity {
    /// 50,000 users and 10,000 pending events: by calculation about 100 MiB if all names and addresses are as long as
    /// they may be, which fits the 128 MiB that a pod gets by default.
    fn default() -> Self {
        Self {
            users: 50_000,
            pending_events: 10_000,
        }
    }
}

/// Users and outbox behind one lock; clones share the data. Users are found in constant time.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    capacity: Capacity,
    state: Mutex<State>,
    event_added: Notify,
}

#[derive(Debug, Default)]
struct State {
    users: HashMap<UserId, User>,
    emails: HashSet<Email>,
    outbox: VecDeque<UserEvent>,
}

impl MemoryStorage {
    /// An empty storage that holds this much.
    pub fn new(capacity: Capacity) -> Self {
        let shared = Shared {
            capacity,
            state: Mutex::default(),
            event_added: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How many users there are.
    pub fn user_count(&self) -> usize {
        self.state().users.len()
    }

    /// How many events wait to be acknowledged.
    pub fn pending_count(&self) -> usize {
        self.state().outbox.len()
    }

    /// The lock is never held across an await, and nothing that runs under it leaves the data half changed, so a
    /// poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(
        &mut self,
        user: User,
        event: UserEvent,
        capacity: Capacity,
    ) -> Result<(), RepositoryError> {
        // What the caller can do something about comes first: a duplicate is one even if there is no room.
        if self.users.contains_key(&user.id()) {
            return Err(RepositoryError::IdTaken);
        }
        if self.emails.contains(user.email()) {
            return Err(RepositoryError::EmailTaken);
        }
        if self.users.len() >= capacity.users || self.outbox.len() >= capacity.pending_events {
            return Err(RepositoryError::Full);
        }
        self.emails.insert(user.email().clone());
        self.users.insert(user.id(), user);
        self.outbox.push_back(event);
        Ok(())
    }
}

impl UserRepository for MemoryStorage {
    async fn create(&self, user: User, event: UserEvent) -> Result<(), RepositoryError> {
        self.state().insert(user, event, self.shared.capacity)?;
        self.shared.event_added.notify_waiters();
        Ok(())
    }

    async fn get(&self, id: UserId) -> Result<User, RepositoryError> {
        self.state()
            .users
            .get(&id)
            .cloned()
            .ok_or(RepositoryError::NotFound)
    }
}

impl Outbox for MemoryStorage {
    async fn wait(&self) -> Result<(), OutboxError> {
        // Made before the look at the queue: an event added in between is notified to it even before it is polled.
        let added = self.shared.event_added.notified();
        if self.state().outbox.is_empty() {
            added.await;
        }
        Ok(())
    }

    async fn pending(&self, limit: NonZeroUsize) -> Result<Vec<UserEvent>, OutboxError> {
        Ok(self
            .state()
            .outbox
            .iter()
            .take(limit.get())
            .cloned()
            .collect())
    }

    async fn acknowledge(&self, published: &[EventId]) -> Result<(), OutboxError> {
        let mut done: HashSet<&EventId> = published.iter().collect();
        let mut state = self.state();
        // A relay acknowledges from the front, so the rest of the queue is usually not looked at.
        while state
            .outbox
            .front()
            .is_some_and(|event| done.remove(&event.id()))
        {
            state.outbox.pop_front();
        }
        if !done.is_empty() {
            state.outbox.retain(|event| !done.contains(&event.id()));
        }
        Ok(())
    }
}
