//! The relay over fakes: what is lost, repeated, reordered or given up, and when.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use support::{POLICY, State, Store};
use user_application::testkit::{Fails, ImmediateTimer, Recorder};
use user_application::{Outbox, Relay, RelayId, RelayPolicy, Timer as _};
use user_domain::EventId;
use uuid::Uuid;

fn relay<const DURABLE: bool>(
    store: &Store<DURABLE>,
    recorder: &Recorder,
) -> Relay<Store<DURABLE>, Recorder, ImmediateTimer, Recorder> {
    let timer = ImmediateTimer::default();
    Relay::new(
        store.clone(),
        recorder.clone(),
        timer,
        recorder.clone(),
        POLICY,
    )
}

/// Runs a relay until the outbox is empty.
async fn run_until_empty<const DURABLE: bool>(store: &Store<DURABLE>, recorder: &Recorder) {
    let empty = async {
        while !store.state().pending.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let relay = relay(store, recorder);
    let bounded = tokio::time::timeout(Duration::from_secs(20), relay.run(empty)).await;
    bounded.expect("the outbox becomes empty");
}

#[tokio::test]
async fn without_an_outbox_that_lasts_everything_is_published_before_the_relay_stops() {
    // More than two batches.
    let (store, ids) = Store::<false>::with_users(2500);
    let recorder = Recorder::default();
    relay(&store, &recorder).run(std::future::ready(())).await;
    assert_eq!(recorder.noted().published, ids);
    assert_eq!(recorder.noted().marked.len(), 2500);
    assert!(store.state().pending.is_empty());
}

#[tokio::test]
async fn with_an_outbox_that_lasts_the_relay_stops_at_once_and_gives_the_lease_back() {
    let (store, _) = Store::<true>::with_users(10);
    let recorder = Recorder::default();
    relay(&store, &recorder).run(std::future::ready(())).await;
    assert!(recorder.noted().published.is_empty());
    let state = store.state();
    assert_eq!((state.pending.len(), state.holder), (10, None));
}

#[tokio::test]
async fn an_outage_is_tried_again_after_growing_pauses_and_nothing_is_lost_or_given_up() {
    let (store, ids) = Store::<true>::with_users(1);
    let recorder = Recorder::default();
    recorder.noted().outages_left = 20;
    run_until_empty(&store, &recorder).await;
    let noted = recorder.noted();
    assert_eq!(noted.published, ids);
    let pauses: Vec<u64> = noted.pauses.iter().map(Duration::as_secs).collect();
    assert_eq!(pauses[..5], [1, 2, 3, 3, 3]);
    assert_eq!(pauses.len(), 20);
    assert_eq!(
        noted.activations, 3,
        "it gives others a chance now and then"
    );
    assert!(noted.dead.is_empty());
    assert!(store.state().attempts.is_empty(), "an outage is no attempt");
}

#[tokio::test]
async fn events_of_one_user_go_out_in_order_and_one_at_a_time() {
    let (store, ids) = Store::<true>::with_versions(2, 50);
    let recorder = Recorder::default();
    recorder
        .noted()
        .poison
        .insert(ids[0][3], (Fails::Refused, 2));
    run_until_empty(&store, &recorder).await;
    let published = recorder.noted().published.clone();
    for user in &ids {
        let order: Vec<&EventId> = published.iter().filter(|id| user.contains(id)).collect();
        assert!(order.into_iter().eq(user), "in order");
    }
    assert_eq!(store.state().attempts[&ids[0][3]], 2);
}

#[tokio::test]
async fn a_poison_event_holds_up_its_own_user_alone_and_is_given_up_after_its_attempts() {
    let (store, ids) = Store::<true>::with_versions(3, 3);
    let poison = ids[1][0];
    let recorder = Recorder::default();
    recorder.noted().poison.insert(poison, (Fails::Refused, 99));
    run_until_empty(&store, &recorder).await;
    let noted = recorder.noted();
    assert_eq!(
        (noted.dead.as_slice(), noted.buried.as_slice()),
        ([poison].as_slice(), [poison].as_slice())
    );
    let position = |id| {
        noted
            .published
            .iter()
            .position(|other| *other == id)
            .unwrap()
    };
    assert!(
        position(ids[2][2]) < position(ids[1][1]),
        "others went on meanwhile"
    );
    assert_eq!(noted.published.len(), 8);
    assert_eq!(store.state().buried[&poison], "refused");
}

#[tokio::test]
async fn what_can_never_be_published_is_given_up_at_once() {
    let (store, ids) = Store::<true>::with_versions(1, 2);
    let recorder = Recorder::default();
    recorder
        .noted()
        .poison
        .insert(ids[0][0], (Fails::Unpublishable, 1));
    run_until_empty(&store, &recorder).await;
    assert_eq!(recorder.noted().dead, [ids[0][0]]);
    assert_eq!(recorder.noted().published, [ids[0][1]]);
    assert!(recorder.noted().pauses.is_empty());
}

#[tokio::test]
async fn users_who_cannot_be_reached_do_not_hold_up_the_others() {
    let (store, ids) = Store::<true>::with_versions(2, 2);
    let recorder = Recorder::default();
    let lost = store.state().pending[0].event.user_id();
    recorder.noted().unreachable.push(lost);
    let others_are_out = async {
        while recorder.noted().published.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    relay(&store, &recorder).run(others_are_out).await;
    assert_eq!(recorder.noted().published, ids[1]);
    assert!(recorder.noted().dead.is_empty());
}

#[tokio::test]
async fn thousands_of_users_who_cannot_be_reached_for_a_while_are_published_in_the_end() {
    let (store, ids) = Store::<true>::with_users(4000);
    let recorder = Recorder::default();
    for record in store.state().pending.iter().skip(1000) {
        recorder.noted().unreachable.push(record.event.user_id());
    }
    let back = async {
        while recorder.noted().published.len() < 1000 || recorder.noted().pauses.len() < 5 {
            tokio::task::yield_now().await;
        }
        recorder.noted().unreachable.clear();
        while !store.state().pending.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let relay = relay(&store, &recorder);
    let bounded = tokio::time::timeout(Duration::from_secs(60), relay.run(back)).await;
    bounded.expect("the outbox becomes empty");
    assert_eq!(recorder.noted().published.len(), ids.len());
}

#[tokio::test]
async fn thousands_of_users_who_cannot_be_reached_do_not_hold_up_those_behind_them() {
    let (store, ids) = Store::<true>::with_users(3010);
    let recorder = Recorder::default();
    for record in store.state().pending.iter().take(3000) {
        recorder.noted().unreachable.push(record.event.user_id());
    }
    let others_are_out = async {
        while recorder.noted().published.len() < 10 {
            tokio::task::yield_now().await;
        }
        let looks = store.state().looks;
        let (_, later) = store.add_user(4000);
        while recorder.noted().published.last() != Some(&later) {
            tokio::task::yield_now().await;
        }
        let looks = store.state().looks - looks;
        assert!(looks <= 3, "begins not from the oldest again: {looks}");
    };
    let relay = relay(&store, &recorder);
    let bounded = tokio::time::timeout(Duration::from_secs(60), relay.run(others_are_out)).await;
    bounded.expect("the others get out");
    let noted = recorder.noted();
    assert_eq!(noted.published[..10], ids[3000..]);
    assert_eq!((noted.activations, noted.dead.len()), (1, 0));
}

#[tokio::test]
async fn a_relay_without_the_lease_publishes_nothing_until_it_is_free() {
    let (store, ids) = Store::<true>::with_users(3);
    let other = RelayId(Uuid::from_u128(1));
    store.claim(other, POLICY.lease).await.unwrap();
    let recorder = Recorder::default();
    let freed = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(recorder.noted().published.is_empty());
        store.release(other).await.unwrap();
        while !store.state().pending.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    relay(&store, &recorder).run(freed).await;
    assert_eq!(recorder.noted().published, ids);
}

#[tokio::test]
async fn a_relay_that_lost_its_lease_stops_publishing() {
    let (store, _) = Store::<true>::with_users(1);
    let recorder = Recorder::default();
    let robbed = async {
        while recorder.noted().activations == 0 {
            tokio::task::yield_now().await;
        }
        store.state().holder = Some(RelayId(Uuid::from_u128(1)));
        // Longer than a renewal takes, in the relay's own time.
        while store.state().refused_claims < 3 {
            tokio::task::yield_now().await;
        }
        let published = recorder.noted().published.len();
        store.add_user(7);
        while store.state().refused_claims < 6 {
            tokio::task::yield_now().await;
        }
        assert_eq!(recorder.noted().published.len(), published);
    };
    relay(&store, &recorder).run(robbed).await;
    assert_eq!(store.state().pending.len(), 1);
}

#[tokio::test]
async fn a_relay_that_stops_while_it_renews_the_lease_leaves_it_free() {
    let store = Store::<true>::default();
    let recorder = Recorder::default();
    let renewing = async {
        while recorder.noted().activations == 0 {
            tokio::task::yield_now().await;
        }
        let claims = store.state().claims;
        store.state().claiming_takes = 100;
        while store.state().claims == claims {
            tokio::task::yield_now().await;
        }
    };
    relay(&store, &recorder).run(renewing).await;
    // What is under way still, if anything is.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.state().holder, None);
}

#[tokio::test]
async fn an_outbox_that_fails_is_tried_again_and_at_worst_events_are_repeated() {
    let (store, ids) = Store::<true>::with_users(4);
    store.state().failures_left = 5;
    let recorder = Recorder::default();
    run_until_empty(&store, &recorder).await;
    let mut published = recorder.noted().published.clone();
    published.dedup();
    let firsts: Vec<EventId> = published.iter().copied().take(4).collect();
    assert_eq!(firsts, ids);
    assert_eq!(recorder.noted().marked, ids);
}

/// Runs a relay until it has reported a failure and then something better.
async fn run_until_it_recovers(store: &Store<true>, recorder: &Recorder) {
    let recovered = async {
        while recorder.noted().pauses.is_empty() || recorder.noted().is_failing {
            tokio::task::yield_now().await;
        }
    };
    let relay = relay(store, recorder);
    let bounded = tokio::time::timeout(Duration::from_secs(20), relay.run(recovered)).await;
    bounded.expect("it is told that the relay gets on again");
}

#[tokio::test]
async fn a_relay_that_waits_for_the_lease_tells_that_a_failed_claim_is_made_good() {
    let store = Store::<true>::default();
    let other = RelayId(Uuid::from_u128(1));
    store.claim(other, POLICY.lease).await.unwrap();
    store.state().failing_claims = 1;
    let recorder = Recorder::default();
    run_until_it_recovers(&store, &recorder).await;
    assert_eq!(recorder.noted().activations, 0);
}

#[tokio::test]
async fn an_idle_relay_tells_that_a_failed_look_is_made_good() {
    let store = Store::<true>::default();
    store.state().failures_left = 1;
    let recorder = Recorder::default();
    run_until_it_recovers(&store, &recorder).await;
    assert!(recorder.noted().marked.is_empty());
}

#[tokio::test]
async fn a_failure_is_not_made_good_by_looks_while_its_user_waits_for_another_attempt() {
    let (store, ids) = Store::<true>::with_users(1);
    let recorder = Recorder::default();
    recorder.noted().poison.insert(ids[0], (Fails::Refused, 99));
    let given_up = async {
        while recorder.noted().pauses.is_empty() {
            tokio::task::yield_now().await;
        }
        let before = store.state().looks;
        while recorder.noted().pauses.len() < 2 {
            assert!(recorder.noted().is_failing);
            tokio::task::yield_now().await;
        }
        let looks = store.state().looks - before;
        assert!(looks > 2, "{looks}");
    };
    relay(&store, &recorder).run(given_up).await;
    run_until_it_recovers(&store, &recorder).await;
    assert_eq!(recorder.noted().dead, ids);
}

/// Seconds that an idle relay spends, in its own time.
const IDLE_SECONDS: u32 = 600;

#[tokio::test]
async fn an_idle_relay_asks_less_than_once_a_second_renewals_included() {
    let (store, _) = Store::<true>::with_users(0);
    let timer = ImmediateTimer::default();
    let recorder = Recorder::default();
    let policy = RelayPolicy {
        lease: Duration::from_secs(15),
        publish_within: Duration::from_secs(10),
        ..POLICY
    };
    let end = timer.now() + Duration::from_secs(1) * IDLE_SECONDS;
    let over = async {
        while timer.now() < end {
            tokio::task::yield_now().await;
        }
    };
    let relay = Relay::new(
        store.clone(),
        recorder.clone(),
        timer.clone(),
        recorder,
        policy,
    );
    relay.run(over).await;
    let State { claims, looks, .. } = *store.state();
    assert!(claims > IDLE_SECONDS / 6, "renews in time: {claims}");
    assert!(
        looks > IDLE_SECONDS / 4,
        "finds what others stored: {looks}"
    );
    // What is left to one a second is for a look at the backlog every ten seconds.
    let most = IDLE_SECONDS * 9 / 10;
    assert!(claims + looks <= most, "{claims} renewals, {looks} looks");
}
