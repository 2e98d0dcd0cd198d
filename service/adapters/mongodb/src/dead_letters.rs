//! Events that were given up.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use user_application::{DeadLetter, DeadLetters, OutboxError, Redrive};

use crate::documents::{self, DEAD, PENDING, binary};
use crate::{DatabaseError, MongoStorage};

/// How long a person at a terminal may wait.
const TIMEOUT: Duration = Duration::from_secs(30);

impl DeadLetters for MongoStorage {
    async fn dead_letters(&self, limit: NonZeroUsize) -> Result<Vec<DeadLetter>, OutboxError> {
        let outbox = self.collections.outbox.clone();
        let limit = i64::try_from(limit.get()).unwrap_or(i64::MAX);
        let work = async move {
            let cursor = outbox
                .find(doc! { "state": DEAD })
                .sort(doc! { "occurred_at": 1, "aggregateid": 1, "version": 1 })
                .limit(limit)
                // Who is listed has no need for personal data.
                .projection(doc! { "payload": 0 })
                .max_time(TIMEOUT)
                .await
                .map_err(DatabaseError::from)?;
            let found: Vec<Document> = cursor.try_collect().await.map_err(DatabaseError::from)?;
            let letters = found.iter().map(documents::dead_letter);
            Ok(letters.collect::<Result<_, _>>()?)
        };
        self.calls.at_once(Instant::now() + TIMEOUT, work).await
    }

    async fn redrive(&self, events: Redrive) -> Result<u64, OutboxError> {
        let outbox = self.collections.outbox.clone();
        let event_added = self.event_added.clone();
        let mut filter = doc! { "state": DEAD };
        if let Redrive::These(events) = events {
            let ids: Vec<Bson> = events.iter().map(|id| binary(id.as_uuid())).collect();
            filter.insert("_id", doc! { "$in": ids });
        }
        let again = doc! {
            "$set": { "state": PENDING, "attempts": 0_i32 },
            "$unset": { "reason": "" },
        };
        let work = async move {
            let updated = outbox.update_many(filter, again).await;
            event_added.notify_one();
            Ok(updated.map_err(DatabaseError::from)?.modified_count)
        };
        self.calls.at_once(Instant::now() + TIMEOUT, work).await
    }
}
