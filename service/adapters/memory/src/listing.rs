//! Listings of the memory.

use std::ops::Bound;
use std::time::SystemTime;

use user_application::{Listing, Order, Position};
use user_domain::{User, UserId};
use uuid::Uuid;

use crate::state::State;

impl State {
    /// The first users of a listing.
    pub(crate) fn list(&self, listing: &Listing, now: SystemTime) -> Vec<User> {
        let mut found: Vec<User> = Vec::new();
        let limit = listing.limit.get();
        let mut take = |id: &UserId| {
            let user = self.users.get(id);
            found.extend(user.filter(|user| listing.includes(user, now)).cloned());
            found.len() < limit
        };
        if let Some(email) = &listing.filter.email {
            if let Some(id) = self.emails.get(email) {
                take(id);
            }
            return found;
        }
        // From where the page begins as far as it takes: the other end is where the filter ends.
        let end = listing.filter.created_before;
        match listing.order {
            Order::OldestFirst => {
                let first = first(listing);
                let positions = self.positions.range((first, Bound::Unbounded));
                let mut positions = positions
                    .take_while(|position| end.is_none_or(|end| position.created_at < end));
                positions.all(|position| take(&position.id));
            }
            Order::NewestFirst => {
                let from = listing.filter.created_from;
                let last = last(listing);
                let positions = self.positions.range((Bound::Unbounded, last)).rev();
                let mut positions = positions
                    .take_while(|position| from.is_none_or(|from| position.created_at >= from));
                positions.all(|position| take(&position.id));
            }
        }
        found
    }
}

fn first(listing: &Listing) -> Bound<Position> {
    match (listing.after, listing.filter.created_from) {
        (Some(after), _) => Bound::Excluded(after),
        (None, Some(from)) => Bound::Included(start_of(from)),
        (None, None) => Bound::Unbounded,
    }
}

fn last(listing: &Listing) -> Bound<Position> {
    match (listing.after, listing.filter.created_before) {
        (Some(after), _) => Bound::Excluded(after),
        (None, Some(end)) => Bound::Excluded(start_of(end)),
        (None, None) => Bound::Unbounded,
    }
}

/// Before every user that was created then.
const fn start_of(created_at: SystemTime) -> Position {
    Position {
        created_at,
        id: UserId::new(Uuid::nil()),
    }
}
