//! Rules of listing users.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use user_domain::{Email, EventId, User, UserId, UserName};
use uuid::Uuid;

use super::{MANY, Storage};
use crate::testkit::{deleted, renamed, undeleted, write};
use crate::{Listing, Order, Position, UserFilter};

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// Stores a user of this number, created at this time.
async fn create_at(storage: &impl Storage, number: u8, millis: u64) -> User {
    // Highest bits first, so that identifiers are in the order of their numbers.
    let uuid = Uuid::from_u128(u128::from(number) << 120);
    let name = UserName::parse(&format!("User {number}")).expect("valid name");
    let email = Email::parse(&format!("user{number}@example.com")).expect("valid address");
    let (user, event) = User::create(
        UserId::new(uuid),
        EventId::new(uuid),
        name,
        email,
        at(millis),
    );
    let stored = storage.create(user, event, None, write()).await;
    stored.expect("created")
}

async fn listed(storage: &impl Storage, listing: Listing) -> Vec<User> {
    let now = at(1_000_000);
    let found = storage.list(listing, now, write().deadline).await;
    found.expect("listed")
}

fn all(order: Order) -> Listing {
    Listing {
        filter: UserFilter::default(),
        order,
        after: None,
        limit: MANY,
    }
}

fn filtered(filter: UserFilter) -> Listing {
    Listing {
        filter,
        ..all(Order::OldestFirst)
    }
}

fn ids(users: &[User]) -> Vec<UserId> {
    users.iter().map(User::id).collect()
}

/// By time of creation, by identifier where that is the same, and backwards.
pub async fn users_are_listed_in_order_both_ways(storage: impl Storage) {
    let mut users = Vec::new();
    for (number, millis) in [(4, 7), (200, 7), (9, 7), (1, 8), (7, 5)] {
        users.push(create_at(&storage, number, millis).await);
    }
    users.sort_by_key(Position::of);
    assert_eq!(listed(&storage, all(Order::OldestFirst)).await, users);
    users.reverse();
    assert_eq!(listed(&storage, all(Order::NewestFirst)).await, users);
}

async fn pages(storage: &impl Storage, order: Order, limit: usize) -> Vec<UserId> {
    let limit = NonZeroUsize::new(limit).expect("not zero");
    let mut listing = Listing {
        limit,
        ..all(order)
    };
    let mut found = Vec::new();
    loop {
        let page = listed(storage, listing.clone()).await;
        assert!(page.len() <= limit.get(), "{page:?}");
        let Some(last) = page.last() else {
            return found;
        };
        listing.after = Some(Position::of(last));
        found.extend(ids(&page));
    }
}

/// Also where a page ends among users of the same time.
pub async fn pages_put_together_are_the_whole_listing(storage: impl Storage) {
    for number in 1..=9 {
        create_at(&storage, number, u64::from(number / 4)).await;
    }
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let whole = ids(&listed(&storage, all(order)).await);
        assert_eq!(whole.len(), 9);
        for limit in [1, 2, 3, 9] {
            assert_eq!(pages(&storage, order, limit).await, whole);
        }
    }
}

/// What stays is on one page, whatever is written between the pages.
pub async fn no_user_that_stays_is_skipped_or_repeated(storage: impl Storage) {
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let base = if order == Order::OldestFirst { 0 } else { 100 };
        let time = |number: u8| u64::from(base + number) * 10;
        let mut users = Vec::new();
        for number in 10..20 {
            users.push(create_at(&storage, base + number, time(number)).await);
        }
        let mut listing = Listing {
            limit: NonZeroUsize::MIN.saturating_add(1),
            ..filtered(UserFilter {
                created_from: Some(at(time(1))),
                created_before: Some(at(time(40))),
                ..UserFilter::default()
            })
        };
        listing.order = order;
        let mut found = Vec::new();
        for page in 0..20 {
            let users = listed(&storage, listing.clone()).await;
            let Some(last) = users.last() else { break };
            listing.after = Some(Position::of(last));
            found.extend(ids(&users));
            let (changed, event) = renamed(last, u16::from(base + page) + 500);
            storage
                .update(changed, event, write())
                .await
                .expect("renamed");
            // One comes before the page, one after it, and one at its very end.
            for (number, millis) in [
                (40 + page * 3, time(9)),
                (41 + page * 3, time(21)),
                (42 + page * 3, time(10 + page)),
            ] {
                create_at(&storage, base + number, millis).await;
            }
            if page == 1 {
                let gone = users_after(&storage, &listing).await;
                let (next, event) = deleted(&gone, u16::from(base) + 1);
                storage
                    .update(next.clone(), event, write())
                    .await
                    .expect("deleted");
                let (back, event) = undeleted(&next, u16::from(base) + 2);
                storage
                    .update(back, event, write())
                    .await
                    .expect("undeleted");
            }
        }
        for user in &users {
            let times = found.iter().filter(|id| **id == user.id()).count();
            assert_eq!(times, 1, "{order:?}: {user:?}");
        }
    }
}

/// The first user of the page that follows.
async fn users_after(storage: &impl Storage, listing: &Listing) -> User {
    let mut users = listed(storage, listing.clone()).await;
    users.swap_remove(0)
}

/// And then only until their time has come.
pub async fn deleted_users_are_listed_when_asked_for(storage: impl Storage) {
    let stays = create_at(&storage, 1, 1).await;
    let goes = create_at(&storage, 2, 2).await;
    let (goes, event) = deleted(&goes, 1);
    storage
        .update(goes.clone(), event, write())
        .await
        .expect("deleted");
    let both = filtered(UserFilter {
        show_deleted: true,
        ..UserFilter::default()
    });
    let seen = listed(&storage, all(Order::OldestFirst)).await;
    assert_eq!(ids(&seen), [stays.id()]);
    let purge_at = goes.deletion().expect("deleted").purge_at;
    let before = purge_at - Duration::from_millis(1);
    for (now, expected) in [
        (before, vec![stays.id(), goes.id()]),
        (purge_at, vec![stays.id()]),
    ] {
        let seen = storage.list(both.clone(), now, write().deadline).await;
        assert_eq!(ids(&seen.expect("listed")), expected);
    }
}

/// Regardless of case, as addresses are compared.
pub async fn users_are_found_by_address(storage: impl Storage) {
    create_at(&storage, 1, 1).await;
    let user = create_at(&storage, 2, 2).await;
    let by = |email: &str| {
        filtered(UserFilter {
            email: Some(Email::parse(email).expect("valid address")),
            ..UserFilter::default()
        })
    };
    assert_eq!(
        listed(&storage, by("USER2@example.com")).await,
        std::slice::from_ref(&user)
    );
    assert_eq!(listed(&storage, by("user3@example.com")).await, []);
    let (gone, event) = deleted(&user, 1);
    storage.update(gone, event, write()).await.expect("deleted");
    assert_eq!(listed(&storage, by("user2@example.com")).await, []);
}

/// The beginning belongs to it, the end does not.
pub async fn users_are_found_by_time_of_creation(storage: impl Storage) {
    for number in 1..=5 {
        create_at(&storage, number, u64::from(number)).await;
    }
    for order in [Order::OldestFirst, Order::NewestFirst] {
        for (from, before, expected) in [
            (Some(2), Some(4), 2),
            (Some(2), None, 4),
            (None, Some(4), 3),
            (Some(4), Some(4), 0),
            (Some(5), Some(2), 0),
        ] {
            let filter = UserFilter {
                created_from: from.map(at),
                created_before: before.map(at),
                ..UserFilter::default()
            };
            let listing = Listing {
                order,
                ..filtered(filter)
            };
            let found = listed(&storage, listing).await;
            assert_eq!(found.len(), expected, "{order:?} {from:?} {before:?}");
        }
    }
}
