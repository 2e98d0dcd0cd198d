//! What the driver tells about itself, for metrics.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mongodb::TopologyType;
use mongodb::event::EventHandler;
use mongodb::event::cmap::{CmapEvent, ConnectionCheckoutFailedReason};
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{ClientOptions, ServerAddress};

/// Hears how the connections are. Called by whoever uses one: must not block.
pub trait StorageObserver: fmt::Debug + Send + Sync + 'static {
    /// Something became of a connection.
    fn connection(&self, event: ConnectionEvent) {
        let _ = event;
    }

    /// There is a server that takes writes now, or none any more.
    fn writable(&self, is_writable: bool) {
        let _ = is_writable;
    }
}

/// Hears nothing.
impl StorageObserver for () {}

/// What becomes of connections, of all servers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// One more is there, or about to be.
    Opened,
    /// One less.
    Closed,
    /// A call waits: for its turn, where as many are under way as there may be connections, or for one in the driver.
    Awaited,
    /// After so long it is its turn. Which connection it gets is told next.
    Admitted(Duration),
    /// It got one, after so long in the driver.
    Taken(Duration),
    /// It got none: there was none in time, or none could be made, or who called went away before its turn.
    Refused {
        /// Whether it waited for too long: for its turn until its deadline, or in the driver until that gave up, which is
        /// up to five seconds after the deadline.
        is_timeout: bool,
    },
    /// It gave it back.
    Returned,
}

/// Has the driver tell an observer.
pub(crate) fn hear(client: &mut ClientOptions, observer: Arc<dyn StorageObserver>) {
    let pools = Arc::clone(&observer);
    let in_use = InUse::default();
    client.cmap_event_handler = Some(EventHandler::callback(move |event| {
        in_use.hear(&event, |event| tell(&*pools, event));
    }));
    client.sdam_event_handler = Some(EventHandler::callback(move |event| {
        if let SdamEvent::TopologyDescriptionChanged(change) = event {
            let is_writable = change.new_description.has_writable_server();
            // It is not known any more at the end alone, when nobody looks.
            let is_over = change.new_description.topology_type() == TopologyType::Unknown;
            if !is_over && change.previous_description.has_writable_server() != is_writable {
                observer.writable(is_writable);
            }
        }
    }));
}

/// Connections that somebody got. The driver also tells that those come back that nobody got: what is made ahead, and
/// what was made for a wait that was given up.
#[derive(Default)]
struct InUse(Mutex<HashMap<ServerAddress, HashSet<u32>>>);

impl InUse {
    fn hear(&self, event: &CmapEvent, mut tell: impl FnMut(ConnectionEvent)) {
        match event {
            CmapEvent::ConnectionCreated(_) => tell(ConnectionEvent::Opened),
            CmapEvent::ConnectionClosed(closed) => {
                self.returned(&closed.address, closed.connection_id, &mut tell);
                tell(ConnectionEvent::Closed);
            }
            CmapEvent::ConnectionCheckoutStarted(_) => tell(ConnectionEvent::Awaited),
            CmapEvent::ConnectionCheckedOut(taken) => {
                self.taken(&taken.address, taken.connection_id);
                tell(ConnectionEvent::Taken(taken.duration));
            }
            CmapEvent::ConnectionCheckoutFailed(failed) => tell(ConnectionEvent::Refused {
                is_timeout: failed.reason == ConnectionCheckoutFailedReason::Timeout,
            }),
            CmapEvent::ConnectionCheckedIn(returned) => {
                self.returned(&returned.address, returned.connection_id, &mut tell);
            }
            _ => {}
        }
    }

    fn taken(&self, server: &ServerAddress, connection: u32) {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = servers.get_mut(server) {
            connections.insert(connection);
        } else {
            servers.insert(server.clone(), HashSet::from([connection]));
        }
    }

    fn returned(
        &self,
        server: &ServerAddress,
        connection: u32,
        tell: &mut impl FnMut(ConnectionEvent),
    ) {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_server = servers.get_mut(server);
        if of_server.is_some_and(|connections| connections.remove(&connection)) {
            tell(ConnectionEvent::Returned);
        }
    }
}

fn tell(observer: &dyn StorageObserver, event: ConnectionEvent) {
    // Called on the task of who waits.
    let _ = AWAITED.try_with(|awaited| match event {
        ConnectionEvent::Awaited => awaited.count.set(awaited.count.get() + 1),
        ConnectionEvent::Taken(_) | ConnectionEvent::Refused { .. } => {
            awaited.count.set(awaited.count.get().saturating_sub(1));
        }
        _ => {}
    });
    observer.connection(event);
}

tokio::task_local! {
    static AWAITED: Awaited;
}

/// Connections that a task waits for in the driver, which says nothing of a wait that is given up.
struct Awaited {
    count: Cell<u32>,
    observer: Arc<dyn StorageObserver>,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        for _ in 0..self.count.get() {
            let given_up = ConnectionEvent::Refused { is_timeout: true };
            self.observer.connection(given_up);
        }
    }
}

/// Work that is dropped only when its time is up: a wait for a connection that ends so is told as well.
pub(crate) fn watched<F: Future>(
    observer: &Arc<dyn StorageObserver>,
    work: F,
) -> impl Future<Output = F::Output> + use<F> {
    let awaited = Awaited {
        count: Cell::new(0),
        observer: Arc::clone(observer),
    };
    AWAITED.scope(awaited, work)
}

/// A call that waits for its turn. However that ends, it is told.
pub(crate) struct Turn<'a> {
    observer: &'a dyn StorageObserver,
    since: Instant,
    end: ConnectionEvent,
}

impl<'a> Turn<'a> {
    pub(crate) fn awaited(observer: &'a dyn StorageObserver) -> Self {
        observer.connection(ConnectionEvent::Awaited);
        Self {
            observer,
            since: Instant::now(),
            end: ConnectionEvent::Refused { is_timeout: false },
        }
    }

    pub(crate) fn came(mut self) {
        self.end = ConnectionEvent::Admitted(self.since.elapsed());
    }

    pub(crate) fn came_too_late(mut self) {
        self.end = ConnectionEvent::Refused { is_timeout: true };
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.observer.connection(self.end);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use mongodb::bson::{deserialize_from_document, doc};
    use tokio::time::timeout;

    use super::*;

    /// Remembers what it hears.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Heard(Arc<Mutex<Vec<ConnectionEvent>>>);

    impl Heard {
        pub(crate) fn take(&self) -> Vec<ConnectionEvent> {
            let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut events)
        }
    }

    impl StorageObserver for Heard {
        fn connection(&self, event: ConnectionEvent) {
            let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            events.push(event);
        }
    }

    #[test]
    fn a_connection_that_nobody_got_is_not_returned() {
        let of = doc! {"connectionId": 1, "reason": "error"};
        let opened = CmapEvent::ConnectionCreated(deserialize_from_document(of.clone()).unwrap());
        let taken = CmapEvent::ConnectionCheckedOut(deserialize_from_document(of.clone()).unwrap());
        let returned =
            CmapEvent::ConnectionCheckedIn(deserialize_from_document(of.clone()).unwrap());
        let closed = CmapEvent::ConnectionClosed(deserialize_from_document(of).unwrap());
        let mut heard = Vec::new();
        let in_use = InUse::default();
        for event in [&opened, &returned, &taken, &returned, &taken, &closed] {
            in_use.hear(event, |event| heard.push(event));
        }
        let taken = ConnectionEvent::Taken(Duration::ZERO);
        let returned = ConnectionEvent::Returned;
        assert_eq!(
            heard,
            [
                ConnectionEvent::Opened,
                taken,
                returned,
                taken,
                returned,
                ConnectionEvent::Closed
            ]
        );
    }

    #[tokio::test]
    async fn a_wait_in_the_driver_that_is_given_up_is_told_and_one_that_ended_is_not_told_again() {
        let heard = Heard::default();
        let observer: Arc<dyn StorageObserver> = Arc::new(heard.clone());
        let (awaited, taken) = (
            ConnectionEvent::Awaited,
            ConnectionEvent::Taken(Duration::ZERO),
        );
        let driver = Arc::clone(&observer);
        let work = watched(&observer, async move {
            tell(&*driver, awaited);
            tell(&*driver, taken);
            tell(&*driver, ConnectionEvent::Returned);
            tell(&*driver, awaited);
            std::future::pending::<()>().await;
        });
        assert!(timeout(Duration::from_millis(1), work).await.is_err());
        let given_up = ConnectionEvent::Refused { is_timeout: true };
        assert_eq!(
            heard.take(),
            [awaited, taken, ConnectionEvent::Returned, awaited, given_up]
        );
    }
}
