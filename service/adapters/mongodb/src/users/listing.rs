//! The query of a listing.

use std::time::SystemTime;

use mongodb::bson::{DateTime, Document, doc};
use user_application::{Listing, Order, Position};

use crate::documents::{DELETE_TIME, PURGE_TIME, binary};

/// Which documents are in the listing at this time.
pub(super) fn filter(listing: &Listing, now: SystemTime) -> Document {
    let asked = &listing.filter;
    let mut clauses = vec![visible(asked.show_deleted, now)];
    if let Some(email) = &asked.email {
        clauses.push(doc! { "email_key": email.as_key() });
    }
    if let Some(from) = asked.created_from {
        clauses.push(doc! { "create_time": { "$gte": date(from) } });
    }
    if let Some(end) = asked.created_before {
        clauses.push(doc! { "create_time": { "$lt": date(end) } });
    }
    if let Some(after) = listing.after {
        clauses.extend(following(after, listing.order));
    }
    doc! { "$and": clauses }
}

/// Along the index on both.
pub(super) fn sort(order: Order) -> Document {
    let direction = match order {
        Order::OldestFirst => 1,
        Order::NewestFirst => -1,
    };
    doc! { "create_time": direction, "_id": direction }
}

fn visible(show_deleted: bool, now: SystemTime) -> Document {
    let not_deleted = doc! { DELETE_TIME: { "$exists": false } };
    if !show_deleted {
        return not_deleted;
    }
    doc! { "$or": [not_deleted, { PURGE_TIME: { "$gt": date(now) } }] }
}

/// The first clause says where to begin in the index, the second is exact.
fn following(after: Position, order: Order) -> [Document; 2] {
    let (or_at, beyond) = match order {
        Order::OldestFirst => ("$gte", "$gt"),
        Order::NewestFirst => ("$lte", "$lt"),
    };
    let time = date(after.created_at);
    let id = binary(after.id.as_uuid());
    [
        doc! { "create_time": { or_at: time } },
        doc! { "$or": [
            { "create_time": { beyond: time } },
            { "create_time": time, "_id": { beyond: id } },
        ] },
    ]
}

fn date(time: SystemTime) -> DateTime {
    DateTime::from_system_time(time)
}
