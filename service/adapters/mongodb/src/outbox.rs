//! The outbox: one document for each event, and the lease of the relay.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use mongodb::ClientSession;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReadConcern;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout_at;
use user_application::{Backlog, Epoch, Outbox, OutboxError, OutboxRecord, RelayId};
use user_domain::{EventId, UserId};

use crate::documents::{self, Collection, Collections, DEAD, PENDING, SENT, binary};
use crate::error::is_passing;
use crate::lease::Lease;
use crate::storage::from_now;
use crate::telemetry;
use crate::transaction::{Failure, Statements, pause, transact};
use crate::{DatabaseError, MongoStorage};

/// How long a call about the outbox may take. Below the lease of a relay, so that it can tell that it lost it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Counting ends here: more is as bad.
const MOST_COUNTED: u64 = 10_000;
/// How often an acknowledgement is tried. If it fails the events go out once more.
const ATTEMPTS: u32 = 4;
/// So many users are remembered as told of.
const MOST_TOLD: usize = 10_000;
const RELAY_LEASE: &str = "relay";

impl Outbox for MongoStorage {
    const DURABLE: bool = true;

    async fn claim(&self, holder: RelayId, lease: Duration) -> Result<Option<Epoch>, OutboxError> {
        let (relay, deadline) = (self.relay_lease(), deadline());
        let turn = self.lease_turn(deadline).await?;
        let work = async move {
            let claimed = relay.claim(holder.0, lease).await?;
            drop(turn);
            Ok(claimed.map(Epoch))
        };
        self.calls.at_once(deadline, work).await
    }

    async fn release(&self, holder: RelayId) -> Result<(), OutboxError> {
        let (relay, deadline) = (self.relay_lease(), deadline());
        let turn = self.lease_turn(deadline).await?;
        let work = async move {
            relay.release(holder.0).await?;
            drop(turn);
            Ok(())
        };
        self.calls.at_once(deadline, work).await
    }

    async fn added(&self) {
        self.event_added.notified().await;
    }

    async fn pending(
        &self,
        limit: NonZeroUsize,
        except: &[UserId],
    ) -> Result<Vec<OutboxRecord>, OutboxError> {
        let outbox = self.collections.outbox.clone();
        let told = Arc::clone(&self.told);
        let mut except: Vec<String> = except.iter().map(ToString::to_string).collect();
        let work = async move {
            loop {
                let found = oldest(&outbox, pending_but(&except), limit).await?;
                let (records, waiting) = readable(&found, &told);
                // A page of which a later version wrote most must not hide what is behind it.
                if 2 * records.len() >= limit.get() || found.len() < limit.get() {
                    return Ok(records);
                }
                except.extend(waiting.into_iter().map(ToOwned::to_owned));
            }
        };
        self.calls.at_once(deadline(), work).await
    }

    async fn acknowledge(&self, published: &[EventId]) -> Result<(), OutboxError> {
        if published.is_empty() {
            return Ok(());
        }
        let outbox = self.collections.outbox.clone();
        let ids: Vec<Bson> = published.iter().map(|id| binary(id.as_uuid())).collect();
        let retention = self.options.retention;
        let deadline = deadline();
        let work = async move {
            let mut attempts = 1;
            loop {
                match settle(&outbox, &ids, retention).await {
                    Err(error)
                        if is_passing(&error)
                            && attempts < ATTEMPTS
                            && pause(attempts, deadline).await => {}
                    settled => return Ok(settled.map_err(DatabaseError::from)?),
                }
                attempts += 1;
            }
        };
        self.calls.at_once(deadline, work).await
    }

    async fn count_attempt(&self, event: EventId, epoch: Epoch) -> Result<(), OutboxError> {
        self.judge(event, epoch, doc! { "$inc": { "attempts": 1_i32 } })
            .await
    }

    async fn bury(
        &self,
        event: EventId,
        epoch: Epoch,
        reason: &'static str,
    ) -> Result<(), OutboxError> {
        let change = doc! {
            "$set": { "state": DEAD, "reason": reason },
            "$inc": { "attempts": 1_i32 },
        };
        self.judge(event, epoch, change).await
    }

    /// May be answered by a secondary, as the options say, and is then somewhat behind.
    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let outbox = self.collections.outbox.clone();
        let preference = self.options.read_preference;
        let work = async move {
            let pending = outbox
                .count_documents(doc! { "state": PENDING })
                .limit(MOST_COUNTED)
                .selection_criteria(preference.into())
                .max_time(TIMEOUT)
                .await
                .map_err(DatabaseError::from)?;
            if pending == 0 {
                return Ok(Backlog::default());
            }
            let oldest = outbox
                .find_one(doc! { "state": PENDING })
                .sort(doc! { "occurred_at": 1, "aggregateid": 1, "version": 1 })
                .projection(doc! { "occurred_at": 1 })
                .selection_criteria(preference.into())
                .max_time(TIMEOUT)
                .await
                .map_err(DatabaseError::from)?;
            let oldest = oldest.map(|event| documents::occurred_at(&event));
            Ok(Backlog {
                pending,
                oldest: oldest.transpose()?,
            })
        };
        self.calls.at_once(deadline(), work).await
    }
}

impl MongoStorage {
    /// The turn to take, renew or give back the relay's lease, for as long as the work on it goes on: a renewal that nobody
    /// waits for any more is carried through, and must not come after the lease was given back.
    async fn lease_turn(&self, deadline: Instant) -> Result<OwnedMutexGuard<()>, OutboxError> {
        let turn = Arc::clone(&self.lease_turn).lock_owned();
        let turn = timeout_at(deadline.into(), turn).await;
        turn.map_err(|_| DatabaseError::TimedOut.into())
    }

    fn relay_lease(&self) -> Lease {
        Lease::new(self.collections.leases.clone(), RELAY_LEASE)
    }

    /// Changes a pending event if the epoch is the present one.
    async fn judge(
        &self,
        event: EventId,
        epoch: Epoch,
        change: Document,
    ) -> Result<(), OutboxError> {
        let client = self.client.clone();
        let judgement = Judgement {
            collections: self.collections.clone(),
            epoch,
            event: doc! { "_id": binary(event.as_uuid()), "state": PENDING },
            change,
        };
        let deadline = deadline();
        let work = async move {
            // If it is refused, that is what was asked for.
            transact(&client, deadline, &judgement).await?;
            Ok(())
        };
        self.calls.at_once(deadline, work).await
    }
}

/// What the relay found out about an event.
struct Judgement {
    collections: Collections,
    epoch: Epoch,
    event: Document,
    change: Document,
}

/// The lease is somebody else's by now.
struct EpochIsOver;

impl Statements for Judgement {
    type Refusal = EpochIsOver;

    /// Writes to the lease as well, because a transaction that only reads it would not notice that it changes hands
    /// meanwhile.
    async fn run(&self, session: &mut ClientSession) -> Result<(), Failure<EpochIsOver>> {
        let lease = self
            .collections
            .leases
            .update_one(
                doc! { "_id": RELAY_LEASE, "epoch": self.epoch.0 },
                doc! { "$inc": { "judgements": 1_i64 } },
            )
            .session(&mut *session)
            .await?;
        if lease.matched_count == 0 {
            return Err(Failure::Refused(EpochIsOver));
        }
        self.collections
            .outbox
            .update_one(self.event.clone(), self.change.clone())
            .session(&mut *session)
            .await?;
        Ok(())
    }
}

/// The users of whom was told that they wait for a later version, each once: there may be many looks a second.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashSet<String>>);

impl Told {
    fn is_new(&self, user: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(user) {
            return false;
        }
        if told.len() >= MOST_TOLD {
            told.clear();
        }
        told.insert(user.to_owned())
    }
}

fn deadline() -> Instant {
    Instant::now() + TIMEOUT
}

/// The first documents, in one round trip unless they are large.
///
/// They are read at one moment: otherwise an event stored while the query is under way could be missed, and one that
/// follows it be found.
async fn oldest(
    outbox: &Collection,
    filter: Document,
    limit: NonZeroUsize,
) -> Result<Vec<Document>, DatabaseError> {
    // One more than the limit lets the server see that nothing follows, and close the cursor by itself.
    let batch = u32::try_from(limit.get()).unwrap_or(u32::MAX);
    let cursor = outbox
        .find(filter)
        .sort(doc! { "occurred_at": 1, "aggregateid": 1, "version": 1 })
        .limit(i64::from(batch))
        .batch_size(batch.saturating_add(1))
        .read_concern(ReadConcern::snapshot())
        .max_time(TIMEOUT)
        .await?;
    Ok(cursor.try_collect().await?)
}

/// The events that this version can read. One that it cannot, of a type that a later version has, waits for a relay of
/// that version, and so do all that follow it for the same user.
///
/// With the users who wait.
fn readable<'a>(documents: &'a [Document], told: &Told) -> (Vec<OutboxRecord>, HashSet<&'a str>) {
    let mut waiting = HashSet::new();
    let mut records = Vec::with_capacity(documents.len());
    for document in documents {
        let user = document.get_str("aggregateid").unwrap_or_default();
        if waiting.contains(user) {
            continue;
        }
        match documents::record(document) {
            Ok(record) => records.push(record),
            Err(error) => {
                if told.is_new(user) {
                    telemetry::event_unreadable(user, &error);
                }
                waiting.insert(user);
            }
        }
    }
    (records, waiting)
}

/// What is pending, but for these users.
fn pending_but(users: &[String]) -> Document {
    let mut filter = doc! { "state": PENDING };
    if !users.is_empty() {
        filter.insert("aggregateid", doc! { "$nin": users });
    }
    filter
}

/// Marks events as sent, or removes them where they are not kept. Events that were given up as well: a relay that was
/// overtaken may have published them after all.
async fn settle(
    outbox: &Collection,
    ids: &[Bson],
    retention: Duration,
) -> mongodb::error::Result<()> {
    let filter = doc! { "_id": { "$in": ids }, "state": { "$ne": SENT } };
    if retention.is_zero() {
        outbox.delete_many(filter).await?;
        return Ok(());
    }
    let sent = vec![doc! { "$set": { "state": SENT, "expires_at": from_now(retention) } }];
    outbox.update_many(filter, sent).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_told_of_once_and_only_so_many_are_remembered() {
        let told = Told::default();
        let told_of = |user: usize| told.is_new(&user.to_string());
        assert!((0..MOST_TOLD).all(told_of));
        assert!(!(0..MOST_TOLD).any(told_of));
        assert!(told_of(MOST_TOLD));
        assert!(told_of(0), "forgotten");
    }
}
