//! When the relay looks for events: at once after a pause, and not for each of those that soon follow.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use support::{POLICY, Store};
use tokio::time::{advance, sleep};
use user_application::testkit::{Recorder, renamed};
use user_application::{Relay, Timer};

/// The clock of the runtime, which stands still unless a test moves it.
struct StoppedClock;

impl Timer for StoppedClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    async fn sleep(&self, pause: Duration) {
        sleep(pause).await;
    }

    fn jitter(&self, longest: Duration) -> Duration {
        longest
    }
}

/// Runs a relay while something happens.
async fn during(store: &Store<true>, recorder: &Recorder, happens: impl Future<Output = ()>) {
    let relay = Relay::new(
        store.clone(),
        recorder.clone(),
        StoppedClock,
        recorder.clone(),
        POLICY,
    );
    tokio::select! {
        () = relay.run(std::future::pending()) => panic!("goes on"),
        () = happens => {}
    }
}

fn published(recorder: &Recorder) -> usize {
    recorder.noted().published.len()
}

/// Lets everything happen for which no time has to pass.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Moves the clock until it holds, by so many milliseconds at most.
async fn within(most: u32, holds: impl Fn() -> bool) {
    settle().await;
    for _ in 0..most {
        if holds() {
            return;
        }
        advance(Duration::from_millis(1)).await;
        settle().await;
    }
    assert!(holds(), "not within {most} ms");
}

#[tokio::test(start_paused = true)]
async fn an_event_after_a_pause_goes_out_at_once_and_those_that_soon_follow_go_together_soon() {
    let (store, recorder) = (Store::default(), Recorder::default());
    let events = async {
        sleep(POLICY.lease).await;
        let before = store.state().looks;
        store.add_user(1);
        settle().await;
        assert_eq!(published(&recorder), 1, "no time has passed");
        for number in 2..=1000 {
            store.add_user(number);
            advance(Duration::from_micros(100)).await;
        }
        within(4, || published(&recorder) == 1000).await;
        let looks = store.state().looks - before;
        assert!(looks < 100, "{looks} looks for 1000 events within 100 ms");
        store.add_user(1001);
        settle().await;
        assert_eq!(published(&recorder), 1000, "in the pause");
        within(4, || published(&recorder) == 1001).await;
    };
    during(&store, &recorder, events).await;
}

#[tokio::test(start_paused = true)]
async fn events_that_have_to_wait_for_an_earlier_one_of_their_user_are_not_looked_at_one_by_one() {
    let (store, recorder) = (Store::default(), Recorder::default());
    // The first is in hand all the time.
    store.state().marking_takes = u32::MAX;
    let events = async {
        let (mut user, _) = store.add_user(1);
        within(4, || published(&recorder) == 1).await;
        let before = store.state().looks;
        for number in 1..=100 {
            let (next, event) = renamed(&user, number);
            user = next;
            store.add(event);
            advance(Duration::from_micros(100)).await;
            settle().await;
        }
        let looks = store.state().looks - before;
        assert!(looks < 20, "{looks} looks for 100 events within 10 ms");
        assert_eq!(published(&recorder), 1);
    };
    during(&store, &recorder, events).await;
}

/// Has two renewals of the lease fail, so that sending is suspended while an event waits, until the third.
async fn suspended(store: &Store<true>, recorder: &Recorder) {
    let renewal = POLICY.lease / 5;
    let moment = Duration::from_millis(1);
    // So long it sends without a renewal.
    let sends = POLICY.lease.checked_sub(POLICY.publish_within).unwrap();
    settle().await;
    assert_eq!(store.state().claims, 1);
    store.state().failing_claims = 2;
    sleep(sends.checked_sub(moment).unwrap()).await;
    store.add_user(1);
    settle().await;
    assert_eq!(published(recorder), 1);
    store.add_user(2);
    sleep(moment * 2).await;
    settle().await;
    assert_eq!(published(recorder), 1, "suspended");
    sleep((renewal * 3).checked_sub(sends + moment).unwrap()).await;
    settle().await;
    assert_eq!(store.state().claims, 4);
    assert_eq!(published(recorder), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_heard_of_though_sending_was_suspended_in_the_pause_after_a_look() {
    let (store, recorder) = (Store::default(), Recorder::default());
    let events = async {
        suspended(&store, &recorder).await;
        store.add_user(3);
        settle().await;
        assert_eq!(published(&recorder), 3, "no time has passed");
    };
    during(&store, &recorder, events).await;
}

#[tokio::test(start_paused = true)]
async fn what_waited_while_sending_was_suspended_goes_out_soon_after_the_renewal() {
    let (store, recorder) = (Store::default(), Recorder::default());
    let events = async {
        suspended(&store, &recorder).await;
        within(22, || published(&recorder) == 2).await;
    };
    during(&store, &recorder, events).await;
}
