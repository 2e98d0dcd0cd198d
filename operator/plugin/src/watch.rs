//! Watches that outlast an API server that is away for a while.

use std::{fmt::Debug, future::ready};

use futures::{StreamExt, stream::BoxStream};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt, watcher,
        watcher::{Config, Event},
    },
};
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The objects and what becomes of them. A watch that breaks is told and begun anew, later each time; one that
/// cannot be had at all is an error.
pub(crate) fn changes<K>(api: Api<K>, config: Config) -> BoxStream<'static, Result<Event<K>, Error>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let changes = watcher(api, config).default_backoff();
    let told = changes.filter_map(|change| {
        ready(match change {
            Ok(change) => Some(Ok(change)),
            Err(error) if is_refused(&error) => Some(Err(Box::new(error).into())),
            Err(error) => {
                eprintln!("the watch broke and is begun anew: {error}");
                None
            }
        })
    });
    told.boxed()
}

/// Whether there is no right to it, or no such kind.
fn is_refused(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code,
        _ => 0,
    };
    matches!(code, 401 | 403 | 404)
}
