//! The repository: a user, its event and its request id in one transaction.

mod change;
mod creation;
mod listing;

use std::time::{Instant, SystemTime};

use futures::TryStreamExt as _;
use mongodb::action::Find;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReadConcern;
use user_application::{Listing, RepositoryError, RequestKey, UserRepository, Write};
use user_domain::{Email, EventId, User, UserEvent, UserId, Version};

use crate::bounded::left;
use crate::documents::{self, Collection, binary};
use crate::trace::Operation;
use crate::transaction::{Outcome, Statements, transact};
use crate::{DatabaseError, MongoStorage, ReadPreference};
use change::{Change, Obstacle};
use creation::{Creation, Taken};

/// How often a request is looked at anew that was forgotten between two looks.
const LOOKS: u32 = 3;

impl UserRepository for MongoStorage {
    async fn create(
        &self,
        user: User,
        event: UserEvent,
        request: Option<RequestKey>,
        write: Write,
    ) -> Result<User, RepositoryError> {
        let storage = self.clone();
        let deadline = write.deadline;
        let creation = Creation::new(self, &user, &event, request, write.trace.as_ref());
        let work = async move {
            let mut looks = 1;
            loop {
                let done = storage.try_create(&user, event.id(), &creation, deadline);
                match done.await? {
                    Some(user) => return Ok(user),
                    None if looks < LOOKS => looks += 1,
                    None => return Err(DatabaseError::TimedOut.into()),
                }
            }
        };
        self.calls.queued(Operation::Insert, deadline, work).await
    }

    async fn update(
        &self,
        user: User,
        event: UserEvent,
        write: Write,
    ) -> Result<User, RepositoryError> {
        let storage = self.clone();
        let deadline = write.deadline;
        let change = Change::new(self, &user, &event, write.trace.as_ref());
        let work = async move { storage.change(user, event.id(), &change, deadline).await };
        self.calls.queued(Operation::Update, deadline, work).await
    }

    async fn made_by(
        &self,
        request: RequestKey,
        deadline: Instant,
    ) -> Result<Option<User>, RepositoryError> {
        let storage = self.clone();
        let work = async move { storage.answered(request, deadline).await };
        self.calls.queued(Operation::Find, deadline, work).await
    }

    /// From the primary, so that whoever wrote finds what it wrote.
    async fn get(&self, id: UserId, deadline: Instant) -> Result<User, RepositoryError> {
        let storage = self.clone();
        let work = async move {
            let user = storage
                .find_user(id, deadline, ReadConcern::majority())
                .await?;
            user.ok_or(RepositoryError::NotFound)
        };
        self.calls.queued(Operation::Find, deadline, work).await
    }

    /// From the primary, as above.
    async fn get_many(
        &self,
        ids: &[UserId],
        deadline: Instant,
    ) -> Result<Vec<User>, RepositoryError> {
        let users = self.collections.users.clone();
        let ids: Vec<Bson> = ids.iter().map(|id| binary(id.as_uuid())).collect();
        let work = async move {
            let most = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            let found = users
                .find(doc! { "_id": { "$in": ids } })
                // One more, as for a page.
                .batch_size(most.saturating_add(1));
            Ok(all(found, deadline).await?)
        };
        self.calls.queued(Operation::Find, deadline, work).await
    }

    /// From the primary, as above, and by what the unique index goes by: whose time has come is in the way until the
    /// database has removed it.
    async fn holder_of(
        &self,
        email: &Email,
        _now: SystemTime,
        deadline: Instant,
    ) -> Result<Option<UserId>, RepositoryError> {
        let users = self.collections.users.clone();
        let key = doc! { "email_key": email.as_key() };
        let work = async move { Ok(holder(&users, key, deadline).await?) };
        self.calls.queued(Operation::Find, deadline, work).await
    }

    /// May be answered by a secondary, as the options say, and is then somewhat behind.
    async fn list(
        &self,
        listing: Listing,
        now: SystemTime,
        deadline: Instant,
    ) -> Result<Vec<User>, RepositoryError> {
        let users = self.collections.users.clone();
        let preference = self.options.read_preference;
        let work = async move { Ok(page(&users, preference, &listing, now, deadline).await?) };
        self.calls.queued(Operation::Find, deadline, work).await
    }
}

impl MongoStorage {
    /// Stores a new user; nothing if the request was carried out before but is forgotten by now.
    async fn try_create(
        &self,
        user: &User,
        event: EventId,
        creation: &Creation,
        deadline: Instant,
    ) -> Result<Option<User>, RepositoryError> {
        let Some(taken) = self.store(user, event, creation, deadline).await? else {
            return Ok(Some(user.clone()));
        };
        match taken {
            Taken::Email => Err(RepositoryError::EmailTaken),
            Taken::Id => Err(RepositoryError::IdTaken),
            Taken::EmailOrId => match self.find_user(user.id(), deadline, settled()).await? {
                Some(_) => Err(RepositoryError::IdTaken),
                None => Err(RepositoryError::EmailTaken),
            },
            Taken::Request(key) => self.answered(key, deadline).await,
        }
    }

    /// The user that this very request made before; nothing if it is forgotten.
    async fn answered(
        &self,
        key: RequestKey,
        deadline: Instant,
    ) -> Result<Option<User>, RepositoryError> {
        let requests = &self.collections.requests;
        let Some(request) = find(requests, binary(key.id), deadline, settled()).await? else {
            return Ok(None);
        };
        let (fingerprint, user) = documents::request(&request)?;
        if fingerprint != key.fingerprint {
            return Err(RepositoryError::RequestIdReused);
        }
        let user = self
            .find_user(UserId::new(user), deadline, settled())
            .await?;
        let gone = DatabaseError::Unreadable {
            collection: documents::REQUESTS,
            field: "user_id",
        };
        Ok(Some(user.ok_or(gone)?))
    }

    async fn change(
        &self,
        user: User,
        event: EventId,
        change: &Change,
        deadline: Instant,
    ) -> Result<User, RepositoryError> {
        let Some(obstacle) = self.store(&user, event, change, deadline).await? else {
            return Ok(user);
        };
        match obstacle {
            Obstacle::Address => Err(RepositoryError::EmailTaken),
            Obstacle::EventId => Err(RepositoryError::IdTaken),
            Obstacle::Version => match self.find_user(user.id(), deadline, settled()).await? {
                Some(_) => Err(RepositoryError::Changed),
                None => Err(RepositoryError::NotFound),
            },
        }
    }

    /// Stores an event with what belongs to it; nothing but what stands against it, if something does.
    async fn store<S: Statements>(
        &self,
        user: &User,
        event: EventId,
        statements: &S,
        deadline: Instant,
    ) -> Result<Option<S::Refusal>, DatabaseError> {
        match transact(&self.client, deadline, statements).await? {
            Outcome::Committed => {}
            Outcome::Refused { retried: true, .. }
                if self.is_stored(user, event, deadline).await? => {}
            Outcome::Refused { refusal, .. } => return Ok(Some(refusal)),
        }
        self.event_added.notify_one();
        Ok(None)
    }

    /// Whether an attempt that seemed to fail did store the event, and what belongs to it, after all.
    ///
    /// Where published events are not kept, this one may be out and gone by now. Then the user as it was to be stored is
    /// the evidence; of a new one that was changed since, its identifier and when it was made. A change that somebody else's
    /// followed since is not known by that, and counts as not made.
    async fn is_stored(
        &self,
        user: &User,
        event: EventId,
        deadline: Instant,
    ) -> Result<bool, DatabaseError> {
        let id = binary(event.as_uuid());
        let found = find(&self.collections.outbox, id, deadline, settled()).await?;
        if found.is_some() || !self.options.retention.is_zero() {
            return Ok(found.is_some());
        }
        let stored = self.find_user(user.id(), deadline, settled()).await?;
        Ok(stored.is_some_and(|stored| {
            let is_new = user.version() == Version::FIRST;
            let is_changed = stored.version() > Version::FIRST;
            stored == *user || is_new && is_changed && stored.created_at() == user.created_at()
        }))
    }

    async fn find_user(
        &self,
        id: UserId,
        deadline: Instant,
        level: ReadConcern,
    ) -> Result<Option<User>, DatabaseError> {
        let id = binary(id.as_uuid());
        let found = find(&self.collections.users, id, deadline, level).await?;
        found.map(|document| documents::user(&document)).transpose()
    }
}

/// Who has the address of this key.
async fn holder(
    users: &Collection,
    key: Document,
    deadline: Instant,
) -> Result<Option<UserId>, DatabaseError> {
    let found = users.find_one(key).read_concern(ReadConcern::majority());
    let found = found.max_time(left(deadline)?).await?;
    let user = found.map(|document| documents::user(&document));
    Ok(user.transpose()?.map(|user| user.id()))
}

/// The first users of a listing, in one round trip unless they are large.
async fn page(
    users: &Collection,
    preference: ReadPreference,
    listing: &Listing,
    now: SystemTime,
    deadline: Instant,
) -> Result<Vec<User>, DatabaseError> {
    let limit = u32::try_from(listing.limit.get()).unwrap_or(u32::MAX);
    let found = users
        .find(listing::filter(listing, now))
        .selection_criteria(preference.into())
        .sort(listing::sort(listing.order))
        .limit(i64::from(limit))
        // One more lets the server see that nothing follows, and close the cursor by itself.
        .batch_size(limit.saturating_add(1));
    all(found, deadline).await
}

/// All users that are found so.
async fn all(found: Find<'_, Document>, deadline: Instant) -> Result<Vec<User>, DatabaseError> {
    let cursor = found
        .read_concern(ReadConcern::majority())
        .max_time(left(deadline)?)
        .await?;
    let found: Vec<Document> = cursor.try_collect().await?;
    found.iter().map(documents::user).collect()
}

/// How to look for what a write of ours ran into: a transaction meets what is committed, and a majority may not have it
/// yet. Such a read waits until it has.
fn settled() -> ReadConcern {
    ReadConcern::linearizable()
}

/// The document of this identifier.
async fn find(
    collection: &Collection,
    id: Bson,
    deadline: Instant,
    level: ReadConcern,
) -> Result<Option<Document>, DatabaseError> {
    let found = collection.find_one(doc! { "_id": id }).read_concern(level);
    Ok(found.max_time(left(deadline)?).await?)
}
