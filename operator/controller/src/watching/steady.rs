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
    told(place.to_string(), watcher(api, config).default_backoff())
}

fn told<K: Send>(
    place: String,
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send {
    events.filter_map(move |event| {
        if let Err(error) = &event {
            tracing::warn!(place, %error, "watch");
        }
        ready(event.is_ok().then_some(event))
    })
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[tokio::test]
    async fn a_failure_ends_no_watch_and_reaches_no_other() {
        let events = stream::iter([
            Err(watcher::Error::NoResourceVersion),
            Ok(watcher::Event::Apply(ConfigMap::default())),
        ]);
        let seen: Vec<_> = told("all namespaces".to_owned(), events).collect().await;
        assert!(
            matches!(seen.as_slice(), [Ok(watcher::Event::Apply(_))]),
            "{seen:?}"
        );
    }
}
