//! Leases: one document each, by the server's clock.

use std::time::Duration;

use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use uuid::Uuid;

use crate::DatabaseError;
use crate::documents::{Collection, LEASES, binary};
use crate::error::duplicate;
use crate::storage::from_now;

/// A lease by its name.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    leases: Collection,
    name: &'static str,
}

impl Lease {
    pub(crate) const fn new(leases: Collection, name: &'static str) -> Self {
        Self { leases, name }
    }

    /// Takes or renews it; nothing if another holder has it. The number grows each time it changes hands.
    pub(crate) async fn claim(
        &self,
        holder: Uuid,
        duration: Duration,
    ) -> Result<Option<i64>, DatabaseError> {
        let holder = binary(holder);
        if let Some(lease) = self.take(&holder, duration).await? {
            return in_force(&lease, &holder);
        }
        self.make().await?;
        let lease = self.take(&holder, duration).await?;
        lease.map_or(Ok(None), |lease| in_force(&lease, &holder))
    }

    /// A single update decides and says what is in force afterwards; nothing if there never was such a lease.
    async fn take(
        &self,
        holder: &Bson,
        duration: Duration,
    ) -> Result<Option<Document>, DatabaseError> {
        let is_mine = doc! { "$eq": ["$holder", holder] };
        let is_over = doc! { "$lte": ["$until", "$$NOW"] };
        let is_free = doc! { "$or": [is_mine.clone(), is_over.clone()] };
        let next = doc! { "$add": ["$epoch", 1_i64] };
        let epoch = choose(is_mine, "$epoch", choose(is_over, next, "$epoch"));
        let update = vec![doc! { "$set": {
            "holder": choose(is_free.clone(), holder, "$holder"),
            "epoch": epoch,
            "until": choose(is_free, from_now(duration), "$until"),
        } }];
        let found = self
            .leases
            .find_one_and_update(doc! { "_id": self.name }, update)
            .return_document(ReturnDocument::After)
            .await?;
        Ok(found)
    }

    /// Makes one that ended long ago, if there is none. Not by an upsert of the update above, which servers do not carry
    /// out alike when several meet.
    pub(crate) async fn make(&self) -> Result<(), DatabaseError> {
        let ended = doc! { "_id": self.name, "epoch": 0_i64, "until": DateTime::from_millis(0) };
        match self.leases.insert_one(ended).await {
            Err(error) if duplicate(&error).is_none() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Ends it now; no effect if the holder has none.
    pub(crate) async fn release(&self, holder: Uuid) -> Result<(), DatabaseError> {
        let mine = doc! { "_id": self.name, "holder": binary(holder) };
        let ends = vec![doc! { "$set": { "until": "$$NOW" } }];
        self.leases.update_one(mine, ends).await?;
        Ok(())
    }
}

fn choose(condition: Document, then: impl Into<Bson>, otherwise: impl Into<Bson>) -> Document {
    doc! { "$cond": [condition, then.into(), otherwise.into()] }
}

/// The epoch, if this holder has it.
fn in_force(lease: &Document, holder: &Bson) -> Result<Option<i64>, DatabaseError> {
    if lease.get("holder") != Some(holder) {
        return Ok(None);
    }
    let epoch = lease.get_i64("epoch");
    let epoch = epoch.map_err(|_| DatabaseError::Unreadable {
        collection: LEASES,
        field: "epoch",
    })?;
    Ok(Some(epoch))
}
