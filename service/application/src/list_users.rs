//! The use case of listing users, page by page.

use std::num::NonZeroUsize;
use std::time::{Instant, SystemTime};

use user_domain::{Email, User, UserId};

use crate::{Clock, UseCaseError, UserRepository};

/// Which users to list, in which order, from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Which.
    pub filter: UserFilter,
    /// In which order.
    pub order: Order,
    /// Only what follows this in the order.
    pub after: Option<Position>,
    /// So many at most.
    pub limit: NonZeroUsize,
}

/// Which users: those that everything here holds for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// With this address.
    pub email: Option<Email>,
    /// Created then or later.
    pub created_from: Option<SystemTime>,
    /// Created earlier.
    pub created_before: Option<SystemTime>,
    /// Deleted ones as well, as long as they can come back.
    pub show_deleted: bool,
}

/// In which order: by time of creation, and by identifier among users of the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// From the oldest to the newest.
    #[default]
    OldestFirst,
    /// From the newest to the oldest.
    NewestFirst,
}

/// Where a user stands in either order. It never moves, whatever becomes of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// When it was created.
    pub created_at: SystemTime,
    /// Which user.
    pub id: UserId,
}

/// Some users of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// In order.
    pub users: Vec<User>,
    /// After which the next page begins; none if nothing follows.
    pub next: Option<Position>,
}

impl Position {
    /// Where this user stands.
    pub const fn of(user: &User) -> Self {
        Self {
            created_at: user.created_at(),
            id: user.id(),
        }
    }
}

impl Listing {
    /// Whether the user is in the listing at this time, be it on this page or on a later one.
    pub fn includes(&self, user: &User, now: SystemTime) -> bool {
        let filter = &self.filter;
        let position = Position::of(user);
        let follows = self.after.is_none_or(|after| match self.order {
            Order::OldestFirst => position > after,
            Order::NewestFirst => position < after,
        });
        let is_shown = match user.deletion() {
            None => true,
            Some(_) => filter.show_deleted && !user.is_purged(now),
        };
        follows
            && is_shown
            && filter
                .email
                .as_ref()
                .is_none_or(|email| email == user.email())
            && filter
                .created_from
                .is_none_or(|from| user.created_at() >= from)
            && filter
                .created_before
                .is_none_or(|end| user.created_at() < end)
    }
}

/// Lists users.
#[derive(Clone, Debug)]
pub struct ListUsers<R, C> {
    repository: R,
    clock: C,
}

impl<R: UserRepository, C: Clock> ListUsers<R, C> {
    /// The use case over these ports.
    pub const fn new(repository: R, clock: C) -> Self {
        Self { repository, clock }
    }

    /// Finds one page. A user that is there from the first page to the last is on exactly one of them.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn execute(
        &self,
        listing: Listing,
        deadline: Instant,
    ) -> Result<UserPage, UseCaseError> {
        let limit = listing.limit;
        // One more tells whether anything follows.
        let more = Listing {
            limit: limit.saturating_add(1),
            ..listing
        };
        let now = self.clock.now();
        let mut users = self.repository.list(more, now, deadline).await?;
        let follows = users.len() > limit.get();
        users.truncate(limit.get());
        let next = users.last().filter(|_| follows).map(Position::of);
        Ok(UserPage { users, next })
    }
}
