//! The relay's stages side by side: what overlaps, what never does, and how much is in hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use support::{POLICY, Store};
use user_application::testkit::{Fails, ImmediateTimer, Recorder};
use user_application::{EventPublisher, OutboxRecord, PublishError, Relay, RelayId, Timer as _};
use user_domain::{EventId, UserId};
use uuid::Uuid;

/// A recorder that holds calls back, and fails the test when two of them are about one user.
#[derive(Clone, Default)]
struct Watched {
    recorder: Recorder,
    watch: Arc<Mutex<Watch>>,
    timer: ImmediateTimer,
}

#[derive(Default)]
struct Watch {
    flying: HashSet<UserId>,
    /// Calls about these users do not end.
    held: HashSet<UserId>,
    /// After the next call the process stands still past its lease, and another relay takes over.
    freezes: Option<Store<true>>,
}

impl Watched {
    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap()
    }

    fn flying(&self) -> usize {
        self.watch().flying.len()
    }

    fn published(&self) -> Vec<EventId> {
        self.recorder.noted().published.clone()
    }
}

impl EventPublisher for Watched {
    async fn publish(&self, record: &OutboxRecord) -> Result<(), PublishError> {
        let user = record.event.user_id();
        assert!(self.watch().flying.insert(user), "two events of {user}");
        while self.watch().held.contains(&user) {
            tokio::task::yield_now().await;
        }
        let published = self.recorder.publish(record).await;
        if let Some(store) = self.watch().freezes.take() {
            self.timer.jump(POLICY.lease * 2);
            store.state().holder = Some(RelayId(Uuid::from_u128(1)));
        }
        self.watch().flying.remove(&user);
        published
    }

    async fn publish_dead_letter(
        &self,
        record: &OutboxRecord,
        reason: &PublishError,
    ) -> Result<(), PublishError> {
        self.recorder.publish_dead_letter(record, reason).await
    }
}

/// Runs a relay until `until` says so.
async fn run(store: &Store<true>, watched: &Watched, until: impl Future<Output = ()> + Send) {
    let relay = Relay::new(
        store.clone(),
        watched.clone(),
        watched.timer.clone(),
        watched.recorder.clone(),
        POLICY,
    );
    let bounded = tokio::time::timeout(Duration::from_secs(30), relay.run(until)).await;
    bounded.expect("comes to its end");
}

async fn eventually(holds: impl Fn() -> bool + Send) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

async fn is_empty(store: &Store<true>) {
    eventually(|| store.state().pending.is_empty()).await;
}

#[tokio::test]
async fn what_is_being_marked_is_not_sent_again_and_what_follows_it_waits() {
    let (store, ids) = Store::<true>::with_versions(20, 4);
    store.state().marking_takes = 50;
    let watched = Watched::default();
    // Stored while the first ones are on their way.
    let more = async {
        eventually(|| !watched.published().is_empty()).await;
        store.add_user(90);
        is_empty(&store).await;
    };
    run(&store, &watched, more).await;
    let published = watched.published();
    assert_eq!(published.len(), 20 * 4 + 1, "none went out twice");
    for user in &ids {
        let order: Vec<&EventId> = published.iter().filter(|id| user.contains(id)).collect();
        assert!(order.into_iter().eq(user), "in order");
    }
}

#[tokio::test]
async fn a_mark_that_fails_is_made_good_without_sending_again() {
    let (store, ids) = Store::<true>::with_users(50);
    store.state().failing_marks = 3;
    let watched = Watched::default();
    run(&store, &watched, is_empty(&store)).await;
    assert_eq!(watched.published(), ids);
    assert_eq!(watched.recorder.noted().marked.len(), ids.len());
    assert_eq!(watched.recorder.noted().pauses.len(), 3);
}

#[tokio::test]
async fn an_acknowledgement_is_told_at_once_and_not_only_when_it_is_marked() {
    let (store, ids) = Store::<true>::with_users(50);
    store.state().failing_marks = u32::MAX;
    let watched = Watched::default();
    let told = || watched.recorder.noted().acknowledged.len() >= ids.len();
    let all_told = async {
        eventually(told).await;
        assert!(watched.recorder.noted().marked.is_empty());
        store.state().failing_marks = 0;
    };
    run(&store, &watched, all_told).await;
    assert_eq!(watched.recorder.noted().acknowledged, ids);
    assert_eq!(watched.recorder.noted().marked, ids);
}

#[tokio::test]
async fn one_who_is_slow_does_not_hold_up_the_batches_behind() {
    let (store, ids) = Store::<true>::with_users(5000);
    let watched = Watched::default();
    let slow = store.state().pending[0].event.user_id();
    watched.watch().held.insert(slow);
    let released = async {
        eventually(|| store.state().pending.len() == 1).await;
        assert_eq!(watched.flying(), 1);
        watched.watch().held.clear();
        is_empty(&store).await;
    };
    run(&store, &watched, released).await;
    let published = watched.published();
    assert_eq!(published.len(), ids.len());
    assert_eq!(published.last(), ids.first());
}

#[tokio::test]
async fn one_with_a_long_backlog_does_not_hold_up_those_behind() {
    let (store, ids) = Store::<true>::with_versions(1, 3000);
    let (_, behind) = store.add_user(90);
    let watched = Watched::default();
    run(&store, &watched, is_empty(&store)).await;
    let mut published = watched.published();
    let place = published.iter().position(|id| *id == behind).unwrap();
    assert!(place < 50, "{place}");
    published.remove(place);
    assert_eq!(published, ids[0]);
}

#[tokio::test]
async fn those_who_hang_with_long_backlogs_do_not_hold_up_those_behind() {
    // More than four pages, and those in hand fill none.
    let (store, _) = Store::<true>::with_versions(15, 300);
    let (_, behind) = store.add_user(90);
    let watched = Watched::default();
    let hanging: Vec<UserId> = store.state().users.keys().copied().take(15).collect();
    watched.watch().held.extend(hanging);
    let released = async {
        eventually(|| watched.published() == [behind]).await;
        watched.watch().held.clear();
        is_empty(&store).await;
    };
    run(&store, &watched, released).await;
    assert_eq!(watched.published().len(), 15 * 300 + 1);
}

#[tokio::test]
async fn those_with_another_attempt_and_many_events_do_not_hold_up_the_others() {
    let (store, _) = Store::<true>::with_versions(60, 40);
    let everybody: Vec<UserId> = store.state().users.keys().copied().collect();
    let watched = Watched::default();
    let noted = || watched.recorder.noted();
    noted().unreachable.clone_from(&everybody);
    let released = async {
        // By then all have failed.
        eventually(|| noted().pauses.len() >= 4).await;
        watched.watch().held.extend(everybody);
        eventually(|| watched.flying() == 60).await;
        let (_, other) = store.add_user(90);
        eventually(|| watched.published() == [other]).await;
        watched.watch().held.clear();
        noted().unreachable.clear();
        is_empty(&store).await;
    };
    run(&store, &watched, released).await;
    assert_eq!(watched.published().len(), 60 * 40 + 1);
}

#[tokio::test]
async fn while_some_hang_and_one_fails_others_go_on() {
    let (store, _) = Store::<true>::with_users(30);
    let everybody = store.state().pending.clone();
    let mut everybody = everybody.iter().map(|record| record.event.user_id());
    let watched = Watched::default();
    let failing = everybody.next();
    watched.recorder.noted().unreachable.extend(failing);
    watched.watch().held.extend(everybody);
    let released = async {
        eventually(|| watched.flying() == 30).await;
        eventually(|| watched.flying() == 29).await;
        let (_, other) = store.add_user(90);
        eventually(|| watched.published() == [other]).await;
        watched.watch().held.clear();
        watched.recorder.noted().unreachable.clear();
        is_empty(&store).await;
    };
    run(&store, &watched, released).await;
    assert_eq!(watched.published().len(), 31);
}

#[tokio::test]
async fn an_outage_is_told_of_though_something_is_always_on_its_way() {
    let (store, _) = Store::<true>::with_users(2);
    let everybody = store.state().pending.clone();
    let watched = Watched::default();
    let failing = everybody[0].event.user_id();
    watched.recorder.noted().unreachable.push(failing);
    let hanging = everybody[1].event.user_id();
    watched.watch().held.insert(hanging);
    let told = eventually(|| watched.recorder.noted().is_failing);
    run(&store, &watched, async {
        told.await;
        assert_eq!(watched.flying(), 1);
        watched.watch().held.clear();
    })
    .await;
}

#[tokio::test]
async fn a_relay_that_gets_nothing_through_gives_its_lease_up_once_nothing_is_in_hand() {
    let (store, ids) = Store::<true>::with_users(2);
    let everybody = store.state().pending.clone();
    let [failing, hanging] = [0, 1].map(|place: usize| everybody[place].event.user_id());
    let watched = Watched::default();
    let noted = || watched.recorder.noted();
    noted().unreachable.push(failing);
    watched.watch().held.insert(hanging);
    let given_up = async {
        eventually(|| noted().pauses.len() == 8).await;
        // Left to whoever leads next.
        store.add_user(90);
        let later = watched.timer.now() + 2 * POLICY.lease;
        eventually(|| watched.timer.now() > later).await;
        assert_eq!((watched.flying(), noted().pauses.len()), (1, 8));
        assert_eq!(watched.published(), []);
        assert_eq!(store.state().holder, Some(POLICY.holder));
        watched.watch().held.clear();
        eventually(|| store.state().holder.is_none()).await;
        assert_eq!(watched.published(), ids[1..]);
        assert_eq!(store.state().pending.len(), 2);
        noted().unreachable.clear();
        is_empty(&store).await;
    };
    run(&store, &watched, given_up).await;
    assert_eq!(noted().activations, 2);
}

#[tokio::test]
async fn never_more_than_two_batches_are_in_hand() {
    let (store, ids) = Store::<true>::with_users(5000);
    let watched = Watched::default();
    let everybody = store.state().pending.clone();
    let everybody = everybody.iter().map(|record| record.event.user_id());
    watched.watch().held.extend(everybody);
    let released = async {
        eventually(|| watched.flying() >= 2000).await;
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(watched.flying(), 2000);
        watched.watch().held.clear();
        is_empty(&store).await;
    };
    run(&store, &watched, released).await;
    assert_eq!(watched.published().len(), ids.len());
}

#[tokio::test]
async fn a_relay_that_was_frozen_past_its_lease_sends_nothing_more_of_what_it_has_in_hand() {
    let (store, ids) = Store::<true>::with_versions(1, 3);
    let watched = Watched::default();
    watched.watch().freezes = Some(store.clone());
    run(
        &store,
        &watched,
        eventually(|| store.state().refused_claims > 0),
    )
    .await;
    assert_eq!(watched.published(), ids[0][..1], "only what was under way");
    assert_eq!(store.state().pending.len(), 3, "the other relay's now");
}

#[tokio::test]
async fn a_relay_that_was_frozen_past_its_lease_gives_nothing_up() {
    let (store, ids) = Store::<true>::with_versions(1, 2);
    let watched = Watched::default();
    let hopeless = (Fails::Unpublishable, 1);
    watched.recorder.noted().poison.insert(ids[0][0], hopeless);
    watched.watch().freezes = Some(store.clone());
    run(
        &store,
        &watched,
        eventually(|| store.state().refused_claims > 0),
    )
    .await;
    assert!(watched.recorder.noted().dead.is_empty());
    assert!(store.state().buried.is_empty());
    assert_eq!(store.state().pending.len(), 2, "the other relay's now");
}

#[tokio::test]
async fn who_fails_again_and_again_waits_longer_while_others_go_on() {
    let (store, ids) = Store::<true>::with_versions(2, 1);
    let poison = ids[0][0];
    let watched = Watched::default();
    let refused = (Fails::Refused, 2);
    watched.recorder.noted().poison.insert(poison, refused);
    let more = async {
        // Somebody is in hand at all times.
        let mut number = 100;
        while store.state().attempts.get(&poison) != Some(&2) || store.state().pending.len() > 1 {
            if store.state().pending.len() < 3 && number < 20_000 {
                number += 1;
                store.add_user(number);
            }
            tokio::task::yield_now().await;
        }
        is_empty(&store).await;
    };
    run(&store, &watched, more).await;
    let pauses: Vec<u64> = watched
        .recorder
        .noted()
        .pauses
        .iter()
        .map(Duration::as_secs)
        .collect();
    assert_eq!(pauses, [1, 2]);
}
