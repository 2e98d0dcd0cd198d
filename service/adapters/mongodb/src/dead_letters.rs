//! Events that were given up.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime};

use futures::TryStreamExt as _;
use mongodb::bson::{Bson, DateTime, Document, doc};
use user_application::{Chosen, DeadLetter, DeadLetters, OutboxError, Redriven};
use user_domain::{EventId, UserId};

use crate::documents::{self, Collection, Collections, DEAD, DELETED, PENDING, PURGE_TIME, binary};
use crate::{DatabaseError, MongoStorage};

/// How long a person at a terminal may wait.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What stands for no limit.
const ALL: i64 = 0;
/// So many are made pending at a time.
const BATCH: usize = 1000;

impl DeadLetters for MongoStorage {
    async fn dead_letters(&self, limit: NonZeroUsize) -> Result<Vec<DeadLetter>, OutboxError> {
        let outbox = self.collections.outbox.clone();
        let limit = i64::try_from(limit.get()).unwrap_or(i64::MAX);
        let work = async move { Ok(oldest(&outbox, dead(Chosen::All), limit).await?) };
        self.calls.at_once(Instant::now() + TIMEOUT, work).await
    }

    async fn redrive(&self, letters: Chosen, now: SystemTime) -> Result<Redriven, OutboxError> {
        let Collections { users, outbox, .. } = self.collections.clone();
        let event_added = self.event_added.clone();
        let work = async move {
            let mut redriven = Redriven::default();
            for letters in oldest(&outbox, dead(letters), ALL).await?.chunks(BATCH) {
                let kept = not_purged(&users, letters, now).await?;
                let may_go_out = |letter: &&DeadLetter| {
                    letter.event_type == DELETED || kept.contains(&letter.user)
                };
                let (again, purged): (Vec<_>, Vec<_>) = letters.iter().partition(may_go_out);
                let again = Chosen::These(events(&again));
                let updated = outbox.update_many(dead(again), revival()).await;
                event_added.notify_one();
                redriven.pending += updated.map_err(DatabaseError::from)?.modified_count;
                redriven.purged.extend(events(&purged));
            }
            Ok(redriven)
        };
        self.calls.at_once(Instant::now() + TIMEOUT, work).await
    }

    async fn discard(&self, letters: Chosen) -> Result<u64, OutboxError> {
        let outbox = self.collections.outbox.clone();
        let work = async move {
            let deleted = outbox.delete_many(dead(letters)).await;
            Ok(deleted.map_err(DatabaseError::from)?.deleted_count)
        };
        self.calls.at_once(Instant::now() + TIMEOUT, work).await
    }
}

fn dead(letters: Chosen) -> Document {
    let mut filter = doc! { "state": DEAD };
    if let Chosen::These(events) = letters {
        let ids: Vec<Bson> = events.into_iter().map(id).collect();
        filter.insert("_id", doc! { "$in": ids });
    }
    filter
}

fn id(event: EventId) -> Bson {
    binary(event.as_uuid())
}

fn events(letters: &[&DeadLetter]) -> Vec<EventId> {
    letters.iter().map(|letter| letter.event).collect()
}

fn revival() -> Document {
    doc! {
        "$set": { "state": PENDING, "attempts": 0_i32 },
        "$unset": { "reason": "" },
    }
}

async fn oldest(
    outbox: &Collection,
    filter: Document,
    limit: i64,
) -> Result<Vec<DeadLetter>, DatabaseError> {
    let cursor = outbox
        .find(filter)
        .sort(doc! { "occurred_at": 1, "aggregateid": 1, "version": 1 })
        .limit(limit)
        // Nobody who looks at them needs personal data.
        .projection(doc! { "payload": 0 })
        .max_time(TIMEOUT)
        .await?;
    let found: Vec<Document> = cursor.try_collect().await?;
    found.iter().map(documents::dead_letter).collect()
}

/// Whose users are not purged at this time: one who is may be stored for a minute more.
async fn not_purged(
    users: &Collection,
    letters: &[DeadLetter],
    now: SystemTime,
) -> Result<HashSet<UserId>, DatabaseError> {
    let ids = letters.iter().map(|letter| binary(letter.user.as_uuid()));
    let ids: Vec<Bson> = ids.collect();
    let filter = doc! {
        "_id": { "$in": ids },
        "$or": [
            { PURGE_TIME: { "$exists": false } },
            { PURGE_TIME: { "$gt": DateTime::from_system_time(now) } },
        ],
    };
    let found = users.find(filter).projection(doc! { "_id": 1 });
    let found: Vec<Document> = found.max_time(TIMEOUT).await?.try_collect().await?;
    found.iter().map(documents::user_id).collect()
}
