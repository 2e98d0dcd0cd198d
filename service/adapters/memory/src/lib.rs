//! Driven adapter: users and outbox in the memory of the process.
//!
//! The embedded default: no infrastructure, nothing survives the process. Bounded in every direction, so that it runs
//! full instead of running out of memory.

mod listing;
mod outbox;
mod state;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::Notify;
use user_application::{Listing, RepositoryError, RequestKey, UserRepository, Write};
use user_domain::{Email, User, UserEvent, UserId};

use state::State;

/// How much a [`MemoryStorage`] holds before it answers `Full` or `OutboxFull`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Users, the deleted ones too until they are purged.
    pub users: usize,
    /// Events that are not yet acknowledged.
    pub pending_events: usize,
    /// Request ids that are remembered; the oldest is forgotten for a new one.
    pub requests: usize,
}

impl Default for Capacity {
    /// 50,000 users, 10,000 pending events and 10,000 request ids: by calculation about 100 MiB if all names and
    /// addresses are as long as they may be, which fits the 128 MiB that a pod gets by default.
    fn default() -> Self {
        Self {
            users: 50_000,
            pending_events: 10_000,
            requests: 10_000,
        }
    }
}

/// Users and outbox behind one lock; clones share the data.
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

impl UserRepository for MemoryStorage {
    async fn create(
        &self,
        user: User,
        event: UserEvent,
        request: Option<RequestKey>,
        write: Write,
    ) -> Result<User, RepositoryError> {
        check(write.deadline)?;
        let stored =
            self.state()
                .create(user, event, request, write.trace, self.shared.capacity)?;
        self.shared.event_added.notify_one();
        Ok(stored)
    }

    async fn update(
        &self,
        user: User,
        event: UserEvent,
        write: Write,
    ) -> Result<User, RepositoryError> {
        check(write.deadline)?;
        let stored = self
            .state()
            .update(user, event, write.trace, self.shared.capacity)?;
        self.shared.event_added.notify_one();
        Ok(stored)
    }

    async fn made_by(
        &self,
        request: RequestKey,
        _deadline: Instant,
    ) -> Result<Option<User>, RepositoryError> {
        self.state().answered(Some(request))
    }

    async fn get(&self, id: UserId, _deadline: Instant) -> Result<User, RepositoryError> {
        self.state()
            .users
            .get(&id)
            .cloned()
            .ok_or(RepositoryError::NotFound)
    }

    async fn get_many(
        &self,
        ids: &[UserId],
        _deadline: Instant,
    ) -> Result<Vec<User>, RepositoryError> {
        let ids: HashSet<&UserId> = ids.iter().collect();
        let state = self.state();
        Ok(ids
            .into_iter()
            .filter_map(|id| state.users.get(id).cloned())
            .collect())
    }

    async fn holder_of(
        &self,
        email: &Email,
        now: SystemTime,
        _deadline: Instant,
    ) -> Result<Option<UserId>, RepositoryError> {
        Ok(self.state().holder_of(email, now))
    }

    async fn list(
        &self,
        listing: Listing,
        now: SystemTime,
        _deadline: Instant,
    ) -> Result<Vec<User>, RepositoryError> {
        Ok(self.state().list(&listing, now))
    }
}

fn check(deadline: Instant) -> Result<(), RepositoryError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(RepositoryError::Unavailable(
        "the deadline has passed".into(),
    ))
}
