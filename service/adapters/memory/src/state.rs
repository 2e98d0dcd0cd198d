//! What is behind the lock, and how it changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::SystemTime;

use user_application::{
    Epoch, OutboxRecord, Position, RelayId, RepositoryError, RequestKey, TraceContext,
};
use user_domain::{Email, User, UserEvent, UserId};
use uuid::Uuid;

use crate::Capacity;

/// The data, whole at any time. In trees, which grow a little with each user: a hash table moves all that it holds when it
/// has filled, and every call waits for that.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) users: BTreeMap<UserId, User>,
    pub(crate) emails: BTreeMap<Email, UserId>,
    /// All users in the order of their creation.
    pub(crate) positions: BTreeSet<Position>,
    /// Deleted users by when they go for good.
    purges: BTreeSet<(SystemTime, UserId)>,
    requests: BTreeMap<Uuid, ([u8; 32], UserId)>,
    request_ages: VecDeque<Uuid>,
    pub(crate) outbox: VecDeque<OutboxRecord>,
    pub(crate) holder: Option<RelayId>,
    pub(crate) epoch: Option<Epoch>,
}

impl State {
    pub(crate) fn create(
        &mut self,
        user: User,
        event: UserEvent,
        request: Option<RequestKey>,
        trace: Option<TraceContext>,
        capacity: Capacity,
    ) -> Result<User, RepositoryError> {
        self.purge(event.occurred_at());
        if let Some(earlier) = self.answered(request)? {
            return Ok(earlier);
        }
        // What the caller can do something about comes first: a duplicate is one even if there is no room.
        if self.users.contains_key(&user.id()) {
            return Err(RepositoryError::IdTaken);
        }
        if self.emails.contains_key(user.email()) {
            return Err(RepositoryError::EmailTaken);
        }
        if self.users.len() >= capacity.users {
            return Err(RepositoryError::Full);
        }
        self.check_outbox(capacity)?;
        self.emails.insert(user.email().clone(), user.id());
        self.positions.insert(Position::of(&user));
        self.users.insert(user.id(), user.clone());
        self.add(event, trace);
        if let Some(key) = request {
            self.remember(key, user.id(), capacity.requests);
        }
        Ok(user)
    }

    pub(crate) fn update(
        &mut self,
        user: User,
        event: UserEvent,
        trace: Option<TraceContext>,
        capacity: Capacity,
    ) -> Result<User, RepositoryError> {
        self.purge(event.occurred_at());
        let Some(stored) = self.users.get(&user.id()) else {
            return Err(RepositoryError::NotFound);
        };
        if stored.version().next() != user.version() {
            return Err(RepositoryError::Changed);
        }
        let moves = stored.email() != user.email();
        if moves && self.emails.contains_key(user.email()) {
            return Err(RepositoryError::EmailTaken);
        }
        self.check_outbox(capacity)?;
        if moves {
            self.emails.remove(stored.email());
            self.emails.insert(user.email().clone(), user.id());
        }
        if let Some(deletion) = stored.deletion() {
            self.purges.remove(&(deletion.purge_at, user.id()));
        }
        if let Some(deletion) = user.deletion() {
            self.purges.insert((deletion.purge_at, user.id()));
        }
        self.users.insert(user.id(), user.clone());
        self.add(event, trace);
        Ok(user)
    }

    /// Removes the users whose time has come. With each write, which says what time it is: what is purged but not removed
    /// yet is hidden by the use cases.
    fn purge(&mut self, now: SystemTime) {
        while let Some((purge_at, id)) = self.purges.first().copied()
            && purge_at <= now
        {
            self.purges.pop_first();
            if let Some(user) = self.users.remove(&id) {
                self.emails.remove(user.email());
                self.positions.remove(&Position::of(&user));
            }
        }
    }

    /// Whom a write of this time would run into, which purges first.
    pub(crate) fn holder_of(&self, email: &Email, now: SystemTime) -> Option<UserId> {
        let holder = self.users.get(self.emails.get(email)?)?;
        (!holder.is_purged(now)).then(|| holder.id())
    }

    /// The user that this very request made before.
    pub(crate) fn answered(
        &self,
        request: Option<RequestKey>,
    ) -> Result<Option<User>, RepositoryError> {
        let Some(key) = request else { return Ok(None) };
        match self.requests.get(&key.id) {
            Some((fingerprint, _)) if *fingerprint != key.fingerprint => {
                Err(RepositoryError::RequestIdReused)
            }
            Some((_, user)) => Ok(self.users.get(user).cloned()),
            None => Ok(None),
        }
    }

    fn remember(&mut self, key: RequestKey, user: UserId, capacity: usize) {
        if self.request_ages.len() >= capacity
            && let Some(oldest) = self.request_ages.pop_front()
        {
            self.requests.remove(&oldest);
        }
        self.requests.insert(key.id, (key.fingerprint, user));
        self.request_ages.push_back(key.id);
    }

    fn check_outbox(&self, capacity: Capacity) -> Result<(), RepositoryError> {
        if self.outbox.len() < capacity.pending_events {
            Ok(())
        } else {
            Err(RepositoryError::OutboxFull)
        }
    }

    fn add(&mut self, event: UserEvent, trace: Option<TraceContext>) {
        self.outbox.push_back(OutboxRecord {
            event,
            trace,
            attempts: 0,
        });
    }
}
