//! Watches that hold up no other when they fail.

use std::{fmt::Debug, future::ready};

use futures::{Stream, StreamExt};
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;

use super::Place;

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
    let events = watcher(api, config).default_backoff();
    told(place.to_string(), events, is_told)
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

fn told<K: Send>(
    place: String,
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send,
    mut is_told: impl FnMut(&watcher::Error) -> bool + Send,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send {
    events.filter_map(move |event| {
        if let Err(error) = &event
            && is_told(error)
        {
            tracing::warn!(place, %error, "watch");
        }
        ready(event.is_ok().then_some(event))
    })
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::Status;

    use super::*;

    #[tokio::test]
    async fn a_failure_ends_no_watch_and_reaches_no_other() {
        let events = stream::iter([
            Err(watcher::Error::NoResourceVersion),
            Ok(watcher::Event::Apply(ConfigMap::default())),
        ]);
        let seen: Vec<_> = told("all namespaces".to_owned(), events, |_| true)
            .collect()
            .await;
        assert!(
            matches!(seen.as_slice(), [Ok(watcher::Event::Apply(_))]),
            "{seen:?}"
        );
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
