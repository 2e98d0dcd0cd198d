//! A storage as simple as it can be, which fails when it is told to.

#![allow(dead_code, reason = "not every test file needs all of it")]

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;
use user_application::testkit::{new_user, renamed};
use user_application::{
    Backlog, Backoff, Epoch, Listing, Order, Outbox, OutboxError, OutboxRecord, Position, RelayId,
    RelayPolicy, RepositoryError, RequestKey, UserRepository, Write,
};
use user_domain::{Email, EventId, User, UserEvent, UserId};
use uuid::Uuid;

pub(crate) const POLICY: RelayPolicy = RelayPolicy {
    holder: RelayId(Uuid::nil()),
    lease: Duration::from_secs(10),
    publish_within: Duration::from_secs(5),
    attempts: 3,
    backoff: Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(3),
    },
};

/// Whether it outlives the process is what it claims.
#[derive(Clone, Default)]
pub(crate) struct Store<const DURABLE: bool>(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) users: BTreeMap<UserId, User>,
    pub(crate) pending: Vec<OutboxRecord>,
    pub(crate) attempts: HashMap<EventId, u32>,
    pub(crate) buried: HashMap<EventId, &'static str>,
    pub(crate) holder: Option<RelayId>,
    pub(crate) refused_claims: usize,
    /// How often the lease was claimed or renewed, and how often it was asked what waits.
    pub(crate) claims: u32,
    pub(crate) looks: u32,
    /// The next writes of the repository answer these, the last one first.
    pub(crate) errors: Vec<RepositoryError>,
    /// So many calls of the outbox fail.
    pub(crate) failures_left: u32,
    /// So many claims of the lease fail.
    pub(crate) failing_claims: u32,
    /// So often a claim lets others run before it is done, which it is though nobody waits for it any more.
    pub(crate) claiming_takes: u32,
    /// So many acknowledgements fail.
    pub(crate) failing_marks: u32,
    /// So often an acknowledgement lets others run before it is done.
    pub(crate) marking_takes: u32,
    added: Arc<Notify>,
}

impl State {
    fn add(&mut self, event: UserEvent) {
        self.pending.push(OutboxRecord {
            event,
            trace: None,
            attempts: 0,
        });
        self.added.notify_one();
    }

    fn claim(&mut self, holder: RelayId) -> Result<Option<Epoch>, OutboxError> {
        if self.failing_claims > 0 {
            self.failing_claims -= 1;
            return Err(OutboxError::Unavailable("told to fail".into()));
        }
        if *self.holder.get_or_insert(holder) == holder {
            return Ok(Some(Epoch(1)));
        }
        self.refused_claims += 1;
        Ok(None)
    }

    fn check(&mut self) -> Result<(), OutboxError> {
        if self.failures_left > 0 {
            self.failures_left -= 1;
            return Err(OutboxError::Unavailable("told to fail".into()));
        }
        Ok(())
    }
}

impl<const DURABLE: bool> Store<DURABLE> {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn add_user(&self, number: u16) -> (User, EventId) {
        let (user, event) = new_user(number, "ada@example.com");
        let id = event.id();
        self.state().users.insert(user.id(), user.clone());
        self.state().add(event);
        (user, id)
    }

    pub(crate) fn add(&self, event: UserEvent) {
        self.state().add(event);
    }

    /// So many users with one event each.
    pub(crate) fn with_users(count: u16) -> (Self, Vec<EventId>) {
        let store = Self::default();
        let ids = (1..=count).map(|number| store.add_user(number).1).collect();
        (store, ids)
    }

    /// So many users with so many events each, the users one after the other.
    pub(crate) fn with_versions(users: u16, versions: u16) -> (Self, Vec<Vec<EventId>>) {
        let store = Self::default();
        let mut ids = Vec::new();
        for number in 1..=users {
            let (mut user, first) = store.add_user(number);
            let mut events = vec![first];
            for version in 1..versions {
                let (next, event) = renamed(&user, number * 1000 + version);
                user = next;
                events.push(event.id());
                store.add(event);
            }
            ids.push(events);
        }
        (store, ids)
    }
}

impl<const DURABLE: bool> UserRepository for Store<DURABLE> {
    async fn create(
        &self,
        user: User,
        event: UserEvent,
        _request: Option<RequestKey>,
        _write: Write,
    ) -> Result<User, RepositoryError> {
        let mut state = self.state();
        if let Some(error) = state.errors.pop() {
            return Err(error);
        }
        state.users.insert(user.id(), user.clone());
        state.add(event);
        Ok(user)
    }

    async fn update(
        &self,
        user: User,
        event: UserEvent,
        _write: Write,
    ) -> Result<User, RepositoryError> {
        self.create(user, event, None, user_application::testkit::write())
            .await
    }

    async fn made_by(
        &self,
        _request: RequestKey,
        _deadline: Instant,
    ) -> Result<Option<User>, RepositoryError> {
        Ok(None)
    }

    async fn get(&self, id: UserId, _deadline: Instant) -> Result<User, RepositoryError> {
        let found = self.state().users.get(&id).cloned();
        found.ok_or(RepositoryError::NotFound)
    }

    async fn get_many(
        &self,
        ids: &[UserId],
        _deadline: Instant,
    ) -> Result<Vec<User>, RepositoryError> {
        let state = self.state();
        let found = state.users.values().filter(|user| ids.contains(&user.id()));
        Ok(found.cloned().collect())
    }

    /// One whose time has come is in the way until it is removed, which does not happen here.
    async fn holder_of(
        &self,
        email: &Email,
        _now: SystemTime,
        _deadline: Instant,
    ) -> Result<Option<UserId>, RepositoryError> {
        let state = self.state();
        let holder = state.users.values().find(|user| user.email() == email);
        Ok(holder.map(User::id))
    }

    async fn list(
        &self,
        listing: Listing,
        now: SystemTime,
        _deadline: Instant,
    ) -> Result<Vec<User>, RepositoryError> {
        let users = self.state().users.values().cloned().collect::<Vec<_>>();
        let mut found: Vec<User> = users
            .into_iter()
            .filter(|user| listing.includes(user, now))
            .collect();
        found.sort_by_key(Position::of);
        if listing.order == Order::NewestFirst {
            found.reverse();
        }
        found.truncate(listing.limit.get());
        Ok(found)
    }
}

impl<const DURABLE: bool> Outbox for Store<DURABLE> {
    const DURABLE: bool = DURABLE;

    async fn claim(&self, holder: RelayId, _: Duration) -> Result<Option<Epoch>, OutboxError> {
        self.state().claims += 1;
        let takes = self.state().claiming_takes;
        if takes == 0 {
            return self.state().claim(holder);
        }
        let store = self.clone();
        let claim = tokio::spawn(async move {
            for _ in 0..takes {
                tokio::task::yield_now().await;
            }
            store.state().claim(holder)
        });
        claim.await.unwrap()
    }

    async fn release(&self, holder: RelayId) -> Result<(), OutboxError> {
        let mut state = self.state();
        state.holder = state.holder.filter(|present| *present != holder);
        Ok(())
    }

    async fn added(&self) {
        let added = Arc::clone(&self.state().added);
        added.notified().await;
    }

    async fn pending(
        &self,
        limit: NonZeroUsize,
        except: &[UserId],
    ) -> Result<Vec<OutboxRecord>, OutboxError> {
        let mut state = self.state();
        state.looks += 1;
        state.check()?;
        let waiting = |record: &&OutboxRecord| !except.contains(&record.event.user_id());
        let found = state.pending.iter().filter(waiting).take(limit.get());
        Ok(found.cloned().collect())
    }

    async fn acknowledge(&self, published: &[EventId]) -> Result<(), OutboxError> {
        let takes = self.state().marking_takes;
        for _ in 0..takes {
            tokio::task::yield_now().await;
        }
        let mut state = self.state();
        state.check()?;
        if state.failing_marks > 0 {
            state.failing_marks -= 1;
            return Err(OutboxError::Unavailable("told to fail".into()));
        }
        state
            .pending
            .retain(|record| !published.contains(&record.event.id()));
        Ok(())
    }

    async fn count_attempt(&self, event: EventId, _: Epoch) -> Result<(), OutboxError> {
        let mut state = self.state();
        *state.attempts.entry(event).or_default() += 1;
        for record in &mut state.pending {
            record.attempts += u32::from(record.event.id() == event);
        }
        Ok(())
    }

    async fn bury(
        &self,
        event: EventId,
        _: Epoch,
        reason: &'static str,
    ) -> Result<(), OutboxError> {
        let mut state = self.state();
        state.buried.insert(event, reason);
        state.pending.retain(|record| record.event.id() != event);
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        Ok(Backlog::default())
    }
}
