//! Watches that hold up no other when they fail.

use std::{fmt::Debug, time::Duration};

use futures::{Stream, StreamExt};
use kube::{Api, Resource, runtime::watcher};
use serde::de::DeserializeOwned;

use super::Place;
use crate::backoff;

/// The longest pause of a watch that fails, and the one of a kind that the cluster does not know.
const LONGEST: Duration = Duration::from_secs(30);

/// A watch that begins anew by itself, later each time that it fails, within half a minute. Its
/// failures are told here and go no further: kube's controller would wait with all of its watches,
/// and longer with each that fails, so that after a restart of the API server, which ends all of
/// them, it took minutes until it heard of anything again.
pub(super) fn watch<K>(
    place: &Place,
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watch_telling(place, api, config, |_| true)
}

/// The same, with a say in which of its failures are told.
pub(super) fn watch_telling<K, F>(
    place: &Place,
    api: Api<K>,
    config: watcher::Config,
    is_told: F,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K, F>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    F: FnMut(&watcher::Error) -> bool + Send + 'static,
{
    told(place.to_string(), watcher(api, config), is_told)
}

/// Whether what failed is that the cluster does not know the kind.
pub(super) fn is_unknown(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(answer) | watcher::Error::WatchStartFailed(answer)) =
        error
    else {
        return false;
    };
    // The answer is a bare text, which has no reason.
    matches!(answer, kube::Error::Api(status) if status.code == 404)
}

/// kube's own backoff begins anew with each list that begins, be it refused.
fn told<K: Send>(
    place: String,
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send,
    mut is_told: impl FnMut(&watcher::Error) -> bool + Send,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send {
    let mut failures = 0;
    events.filter_map(move |event| {
        let pause = match &event {
            Ok(watcher::Event::Init) => None,
            Ok(_) => {
                failures = 0;
                None
            }
            Err(error) if is_told(error) => {
                tracing::warn!(place, %error, "watch");
                let pause = backoff::delay(&place, failures).min(LONGEST);
                failures += 1;
                Some(pause)
            }
            Err(_) => Some(LONGEST),
        };
        async move {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            event.is_ok().then_some(event)
        }
    })
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::Status;
    use tokio::time::Instant;

    use super::*;

    fn failure() -> watcher::Result<watcher::Event<ConfigMap>> {
        Err(watcher::Error::NoResourceVersion)
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_ends_no_watch_and_reaches_no_other() {
        let events = stream::iter([failure(), Ok(watcher::Event::Apply(ConfigMap::default()))]);
        let seen: Vec<_> = told("all namespaces".to_owned(), events, |_| true)
            .collect()
            .await;
        assert!(
            matches!(seen.as_slice(), [Ok(watcher::Event::Apply(_))]),
            "{seen:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_begins_anew_later_each_time_though_a_list_begins_before_it_fails() {
        let start = Instant::now();
        let attempts = (0..10).flat_map(|_| [Ok(watcher::Event::Init), failure()]);
        let begun = told("all namespaces".to_owned(), stream::iter(attempts), |_| {
            true
        })
        .map(|_| start.elapsed());
        let begun: Vec<Duration> = begun.collect().await;
        let pauses: Vec<Duration> = begun
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]))
            .collect();
        assert!(pauses[0] < Duration::from_secs(1), "{pauses:?}");
        assert!(
            pauses.windows(2).all(|pair| pair[0] <= pair[1]),
            "{pauses:?}"
        );
        assert_eq!(pauses[8], LONGEST);
    }

    #[test]
    fn that_a_kind_is_not_known_is_told_from_other_failures() {
        let answered = |code| {
            let status = Status::failure("no", "No").with_code(code);
            kube::Error::Api(Box::new(status))
        };
        assert!(is_unknown(&watcher::Error::InitialListFailed(answered(
            404
        ))));
        assert!(is_unknown(&watcher::Error::WatchStartFailed(answered(404))));
        assert!(!is_unknown(&watcher::Error::InitialListFailed(answered(
            403
        ))));
        assert!(!is_unknown(&watcher::Error::NoResourceVersion));
    }
}
