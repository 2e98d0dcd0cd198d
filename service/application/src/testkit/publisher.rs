//! The contract of a publisher.
//!
//! Each function is one rule and takes a destination where nothing is yet.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use futures::future::{FutureExt as _, join_all};
use futures::stream::{FuturesUnordered, StreamExt as _};
use user_domain::{EventId, User, UserEvent};

use super::{new_user, renamed};
use crate::{EventPublisher, OutboxRecord, PublishError};

/// How long a destination that is back may take to be found.
const FOUND_AGAIN: Duration = Duration::from_secs(30);
/// Users whose events go out side by side, about as many as a relay has in flight.
const USERS: u16 = 1000;

/// Where events go, as its readers see it, and publishers that lead there.
pub trait Destination {
    /// What leads there.
    type Publisher: EventPublisher;

    /// A new publisher.
    fn publisher(&self) -> Self::Publisher;

    /// How long a call of a publisher may take.
    fn within(&self) -> Duration;

    /// The events that are there: of each user in order, repeated ones as often as they came.
    fn published(&self) -> impl Future<Output = Vec<EventId>>;

    /// The events among the dead letters.
    fn dead_letters(&self) -> impl Future<Output = Vec<EventId>>;

    /// New users' events that are refused for their own sake, each for another reason. A dead letter of them is taken.
    fn poison(&self) -> Vec<OutboxRecord>;

    /// From now on nothing gets through.
    fn goes_away(&self) -> impl Future<Output = ()>;

    /// Ends that.
    fn comes_back(&self) -> impl Future<Output = ()>;

    /// A moment between two attempts.
    fn pause(&self) -> impl Future<Output = ()>;
}

/// One test for each rule of the contract. Needs tokio with `macros` and `rt` in the caller; the argument is evaluated
/// inside an async block and gives a [`Destination`] where nothing is yet.
#[macro_export]
macro_rules! publisher_contract {
    ($make:expr) => {
        $crate::publisher_contract! { $make =>
            what_was_acknowledged_is_out_and_once
            what_was_acknowledged_outlives_its_publisher
            a_call_that_is_dropped_harms_no_other
            events_of_one_user_are_out_in_order_with_a_thousand_users_at_once
            a_poison_event_fails_alone
            a_poison_event_is_taken_among_the_dead_letters
            an_outage_is_no_events_fault_and_passes
        }
    };
    ($make:expr => $($rule:ident)+) => {
        $(#[tokio::test]
        async fn $rule() {
            $crate::testkit::publisher::$rule(async { $make }.await).await;
        })+
    };
}

/// An event that no publisher can write down: neither RFC 3339 nor protobuf knows times before the year 1.
pub fn unwritable(number: u16) -> OutboxRecord {
    let (user, event) = new_user(number, "ada@example.com");
    let then = SystemTime::UNIX_EPOCH - Duration::from_secs(3000 * 366 * 24 * 3600);
    let user = User::restore(
        user.id(),
        user.name().clone(),
        user.email().clone(),
        then,
        then,
        user.version(),
        None,
    );
    record(UserEvent::restore(event.id(), event.kind(), user))
}

/// An event as it comes from the outbox.
pub const fn record(event: UserEvent) -> OutboxRecord {
    OutboxRecord {
        event,
        trace: None,
        attempts: 0,
    }
}

fn created(number: u16) -> OutboxRecord {
    let (_, event) = new_user(number, &format!("user{number}@example.com"));
    record(event)
}

fn id(record: &OutboxRecord) -> EventId {
    record.event.id()
}

fn sorted(mut ids: Vec<EventId>) -> Vec<EventId> {
    ids.sort_unstable();
    ids
}

/// Nothing else comes with it.
pub async fn what_was_acknowledged_is_out_and_once(destination: impl Destination) {
    let record = created(1);
    let published = destination.publisher().publish(&record).await;
    published.expect("published");
    assert_eq!(destination.published().await, [id(&record)]);
    assert!(destination.dead_letters().await.is_empty());
}

/// Whatever else is on its way when the publisher goes: that may be out or not, and is never torn.
pub async fn what_was_acknowledged_outlives_its_publisher(destination: impl Destination) {
    let records: Vec<_> = (1..=100).map(created).collect();
    let publisher = destination.publisher();
    let mut calls: FuturesUnordered<_> = records
        .iter()
        .map(async |record| publisher.publish(record).await.map(|()| id(record)))
        .collect();
    let mut acknowledged = HashSet::new();
    while acknowledged.len() < 10 {
        let outcome = calls.next().await.expect("more than ten");
        acknowledged.insert(outcome.expect("published"));
    }
    drop(calls);
    drop(publisher);
    let out = destination.published().await;
    let known: HashSet<EventId> = records.iter().map(id).collect();
    let different: HashSet<EventId> = out.iter().copied().collect();
    assert!(acknowledged.is_subset(&different), "all are out");
    assert!(different.is_subset(&known) && different.len() == out.len());
}

/// Neither that of another user nor a later one of the same.
pub async fn a_call_that_is_dropped_harms_no_other(destination: impl Destination) {
    let publisher = destination.publisher();
    let records: Vec<_> = (1..=20).map(created).collect();
    for record in &records {
        // Begun, and not waited for.
        let _ = publisher.publish(record).now_or_never();
    }
    for record in &records {
        publisher.publish(record).await.expect("published");
    }
    let out: HashSet<EventId> = destination.published().await.into_iter().collect();
    assert_eq!(out, records.iter().map(id).collect());
}

/// The next event of a user is handed over when the one before it is acknowledged; nothing is lost or repeated.
pub async fn events_of_one_user_are_out_in_order_with_a_thousand_users_at_once(
    destination: impl Destination,
) {
    let publisher = destination.publisher();
    let chains = join_all((1..=USERS).map(async |number| {
        let (mut user, _) = new_user(number, "ada@example.com");
        let mut chain = Vec::new();
        for change in 0..3 {
            let event;
            (user, event) = renamed(&user, USERS + number * 3 + change);
            chain.push(event.id());
            publisher.publish(&record(event)).await.expect("published");
        }
        chain
    }));
    let chains = chains.await;
    let out = destination.published().await;
    assert_eq!(out.len(), chains.iter().map(Vec::len).sum::<usize>());
    let place: std::collections::HashMap<EventId, usize> = out.into_iter().zip(0..).collect();
    for chain in chains {
        let places: Vec<_> = chain.iter().filter_map(|event| place.get(event)).collect();
        assert!(places.len() == 3 && places.is_sorted(), "{places:?}");
    }
}

/// Those that go out with it, in one batch or at the same moment, are out.
pub async fn a_poison_event_fails_alone(destination: impl Destination) {
    let poison = destination.poison();
    let good: Vec<_> = (1000..1200).map(created).collect();
    // Among the others, not before or after them.
    let mut records: Vec<&OutboxRecord> = good.iter().collect();
    for (place, poison) in poison.iter().enumerate() {
        records.insert(50 * (place + 1), poison);
    }
    let publisher = destination.publisher();
    let outcomes = join_all(records.iter().map(|record| publisher.publish(record))).await;
    for (record, outcome) in records.iter().zip(outcomes) {
        let is_poison = poison.iter().any(|poison| id(poison) == id(record));
        match outcome {
            Ok(()) => assert!(!is_poison, "{record:?} is out"),
            Err(PublishError::Refused(_) | PublishError::Unpublishable(_)) if is_poison => {}
            Err(error) => panic!("poison: {is_poison}, {error:?}"),
        }
    }
    let expected = good.iter().map(id).collect();
    assert_eq!(sorted(destination.published().await), sorted(expected));
}

/// And is not among the events.
pub async fn a_poison_event_is_taken_among_the_dead_letters(destination: impl Destination) {
    let publisher = destination.publisher();
    let poison = destination.poison();
    for record in &poison {
        let error = publisher.publish(record).await.expect_err("poison");
        let letter = publisher.publish_dead_letter(record, &error).await;
        letter.expect("taken");
    }
    assert!(destination.published().await.is_empty());
    let expected = poison.iter().map(id).collect();
    assert_eq!(sorted(destination.dead_letters().await), sorted(expected));
}

/// Every call ends in time, events and dead letters alike, and the same publisher goes on afterwards.
pub async fn an_outage_is_no_events_fault_and_passes(destination: impl Destination) {
    let publisher = destination.publisher();
    publisher.publish(&created(1)).await.expect("published");
    destination.goes_away().await;
    let records: Vec<_> = (2..=30).map(created).collect();
    let start = Instant::now();
    let refused = PublishError::Refused("by hand".into());
    let (outcomes, letters) = futures::join!(
        join_all(records.iter().map(|record| publisher.publish(record))),
        join_all(
            records
                .iter()
                .map(|record| publisher.publish_dead_letter(record, &refused))
        ),
    );
    let bound = destination.within() + Duration::from_secs(1);
    assert!(start.elapsed() < bound, "{:?}", start.elapsed());
    for outcome in outcomes.into_iter().chain(letters) {
        assert!(
            matches!(outcome, Err(PublishError::Unavailable(_))),
            "{outcome:?}"
        );
    }
    destination.comes_back().await;
    let back = Instant::now();
    for record in &records {
        while let Err(error) = publisher.publish(record).await {
            assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
            assert!(back.elapsed() < FOUND_AGAIN, "{error:?}");
            destination.pause().await;
        }
    }
    let out: HashSet<EventId> = destination.published().await.into_iter().collect();
    assert!(records.iter().all(|record| out.contains(&id(record))));
}
